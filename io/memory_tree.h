// The files and directories of a MemoryStorage, each with what is live and what would be left
// after a crash. Internal to memory_storage.cc; its lock guards all of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/crash_outcome.h"

namespace kachel::io {

using MemoryViewer = std::function<void(std::span<const std::byte>)>;
/// In what order a view came across files and directories: a file may have several names.
using MemoryNumbers = std::map<const void*, std::uint64_t>;

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
  /// Of the bytes not synced only what `outcome` says gets to the disk; no later sync writes the
  /// rest. Sizes do get there.
  void fail_sync(CrashOutcome& outcome);
  /// Reads of this range see what is on the disk, or on its way there.
  void drop_cache(std::uint64_t offset, std::uint64_t length);
  /// The same of every sector that `outcome` does not keep.
  void evict(CrashOutcome& outcome);
  void crash(CrashOutcome& outcome);
  std::shared_ptr<MemoryFileData> clone(std::uint64_t& used) const;
  void view(const MemoryViewer& see) const;

  /// A live name or an open handle, which the file's space is kept for.
  void add_user() { ++users_; }
  void drop_user();

  /// Bytes that growing or reserving to `bytes` would take beyond those charged already.
  std::uint64_t cost_of(std::uint64_t bytes) const {
    return bytes > charged_ ? bytes - charged_ : 0;
  }
  /// Charges for at least `bytes`.
  void charge(std::uint64_t bytes);

 private:
  /// A write, or with no bytes a change of size.
  struct Change {
    std::uint64_t offset = 0;  // of a change of size: the new one
    std::vector<std::byte> bytes;
  };
  static void apply(const Change& change, std::vector<std::byte>& to);
  static void apply_partly(const Change& change, CrashOutcome& outcome, std::vector<std::byte>& to);
  std::vector<std::byte> synced_now() const;
  void recharge();

  std::uint64_t& used_;
  std::uint64_t charged_ = 0;  // the larger of size and reservation; 0 without users
  int users_ = 0;
  std::vector<std::byte> live_;
  std::vector<std::byte> durable_;
  std::vector<Change> unsynced_;  // what leads from durable_ to live_, in order
  bool forgotten_ = false;        // a sync failed: live_ may have what neither of them has
};

class MemoryDirectory;

/// An entry: one of the two is set.
struct MemoryNode {
  std::shared_ptr<MemoryFileData> file;  // shared with open handles and both entry tables
  std::shared_ptr<MemoryDirectory> directory;
};

/// What one crash, or one copy, has come across: a file may have several names.
using MemoryNodes = std::map<const void*, MemoryNode>;

class MemoryDirectory {
 public:
  using Entries = std::map<std::string, MemoryNode, std::less<>>;

  const Entries& entries() const { return live_; }
  void add(const std::string& name, MemoryNode node) { change({"", name, std::move(node)}); }
  void remove(const std::string& name) { change({name, "", {}}); }
  /// One step: after a crash both have happened, or neither.
  void rename(const std::string& from, const std::string& to) {
    change({from, to, live_.at(from)});
  }
  void sync();
  /// All the way down.
  void crash(CrashOutcome& outcome, MemoryNodes& seen);
  void evict(CrashOutcome& outcome, MemoryNodes& seen);
  std::shared_ptr<MemoryDirectory> clone(std::uint64_t& used, MemoryNodes& seen) const;
  void view(const MemoryViewer& see, MemoryNumbers& numbers) const;

 private:
  struct Change {
    std::string removed;  // empty: none
    std::string added;    // empty: none
    MemoryNode node;
  };
  static void apply(const Change& change, Entries& to);
  static void drop_users(const MemoryNode& node);
  void change(Change change);

  Entries live_;
  Entries durable_;
  std::vector<Change> unsynced_;  // what leads from durable_ to live_, in order
};

}  // namespace kachel::io
