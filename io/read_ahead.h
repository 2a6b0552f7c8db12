// Reads files in their order, ahead of whoever looks at them: some blocks of 1 MiB in flight, past
// the page cache, which neither costs a copy of cold memory nor displaces what others have there.
// Blocking; the thread that made it only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "io/error.h"
#include "io/file.h"
#include "io/polled_queue.h"

namespace kachel::io {

class ReadAhead {
 public:
  static constexpr std::size_t kAheadBlockBytes = std::size_t{1} << 20;
  static constexpr std::size_t kAheadBlocks = 6;

  /// Through io_uring; where the system refuses that, reads are plain ones of the page cache.
  ReadAhead();
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  /// From here on `file` is read, up to `end` (bytes from its start), and from `begin` at once.
  /// It outlives this, or the next call.
  void open(File& file, std::uint64_t begin, std::uint64_t end);
  /// Waits for what is in flight; the file may go.
  void close();

  /// As File::read_at(), of the file that was opened. Meant for offsets that rise: what lies before
  /// the last one is read anew. kIo.
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out);

 private:
  struct Block {
    IoRequest request;
    PooledBuffer buffer;
    bool is_done = true;
  };

  Block& slot(std::uint64_t number) { return blocks_[number % kAheadBlocks]; }
  void submit_through(std::uint64_t number);
  void wait_for(const Block& block);

  std::unique_ptr<PolledQueue> queue_;
  std::array<Block, kAheadBlocks> blocks_;
  File* file_ = nullptr;
  std::uint64_t end_ = 0;
  // Numbers of blocks of the file: those from `first_` to before `next_` are here or in flight.
  std::uint64_t first_ = 0;
  std::uint64_t next_ = 0;
};

}  // namespace kachel::io
