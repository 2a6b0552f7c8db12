// Bytes of a snapshot on their way into files: several requests ahead of the answers, no faster
// than is wanted, with a progress bar on a terminal or JSON Lines. Blocking; one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <queue>
#include <span>
#include <string>

#include "io/file.h"
#include "tools/copy_source.h"

namespace kachel::tools {

/// A part of a file, bytes.
struct Extent {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

class Transfer {
 public:
  /// `bytes_per_s` 0: as fast as it goes. `source` outlives it.
  Transfer(CopySource& source, std::uint64_t bytes_per_s, bool json);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  CopySource& source() { return source_; }
  /// So many bytes are to come, of which some were there before.
  void expect(std::uint64_t bytes) { expected_bytes_ += bytes; }
  void skip(std::uint64_t bytes) { done_bytes_ += bytes; }

  /// Writes these parts of the source's file into the same places of `to`.
  Result<void> fetch(const std::string& path, std::span<const Extent> extents, io::File& to);
  /// Syncs a file that is complete, while others are being fetched, and then calls `after`.
  Result<void> sync_later(std::unique_ptr<io::File> file, std::uint64_t bytes,
                          std::function<Result<void>()> after = {});
  /// Until all of them are synced: the first error.
  Result<void> wait();

  void tell(bool is_last);
  std::uint64_t copied_bytes() const { return copied_bytes_; }
  std::uint64_t expected_bytes() const { return expected_bytes_; }
  std::int64_t duration_ms() const;

 private:
  struct Piece {
    std::uint64_t offset = 0;
    std::size_t bytes = 0;
  };
  void count(std::uint64_t bytes);
  void drain(std::size_t answers);

  CopySource& source_;
  const std::uint64_t bytes_per_s_;
  const bool json_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::int64_t told_ms_ = 0;
  std::uint64_t expected_bytes_ = 0;
  std::uint64_t done_bytes_ = 0;
  std::uint64_t copied_bytes_ = 0;  // by this run
  std::queue<std::future<Result<void>>> syncs_;
};

}  // namespace kachel::tools
