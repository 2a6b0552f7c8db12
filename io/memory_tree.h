// The files and directories of a MemoryStorage, each with what is live and what would be left
// after a crash. Internal to memory_storage.cc; its lock guards all of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/random.h"

namespace kachel::io {

/// Bytes of one file. `used` is the storage's count of taken bytes, which outlives the file.
class MemoryFileData {
 public:
  explicit MemoryFileData(std::uint64_t& used) : used_(used) {}
  ~MemoryFileData() { used_ -= charged_; }
  MemoryFileData(const MemoryFileData&) = delete;
  MemoryFileData& operator=(const MemoryFileData&) = delete;

  std::uint64_t size() const { return live_.size(); }
  std::size_t read(std::uint64_t offset, std::span<std::byte> out) const;
  /// The caller has charged for the new size. Bytes skipped over are zero.
  void write(std::uint64_t offset, std::span<const std::byte> bytes);
  void truncate(std::uint64_t bytes);
  void sync();
  void crash();
  void crash_torn(SeededRandom& random);

  /// Bytes that growing or reserving to `bytes` would take beyond those charged already.
  std::uint64_t cost_of(std::uint64_t bytes) const {
    return bytes > charged_ ? bytes - charged_ : 0;
  }
  /// Charges for at least `bytes`.
  void charge(std::uint64_t bytes);

 private:
  void touch(std::uint64_t from, std::uint64_t to);
  void recharge();

  std::uint64_t& used_;
  std::uint64_t charged_ = 0;  // the larger of size and reservation
  std::vector<std::byte> live_;
  std::vector<std::byte> durable_;
  // The range in which live_ may differ from durable_; empty when from >= to.
  std::uint64_t dirty_from_ = 0;
  std::uint64_t dirty_to_ = 0;
};

struct MemoryDirectory;

/// An entry: one of the two is set.
struct MemoryNode {
  std::shared_ptr<MemoryFileData> file;  // shared with open handles and both entry tables
  std::shared_ptr<MemoryDirectory> directory;
};

struct MemoryDirectory {
  std::map<std::string, MemoryNode, std::less<>> live;
  std::map<std::string, MemoryNode, std::less<>> durable;

  void sync() { durable = live; }
  /// Back to the durable entries, all the way down; with `random`, files come back torn.
  void crash(SeededRandom* random);
};

}  // namespace kachel::io
