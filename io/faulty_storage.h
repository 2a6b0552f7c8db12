// A Storage that fails on purpose: it passes calls on to another and injects faults by script
// (the n-th write to this path) or by chance (a probability, drawn from the seed).
//
// What a fault does, by operation:
//   kind      kRead                      kWrite                       kSync            others
//   kError    error, nothing read        error, nothing written       error, no sync   error
//   kShort    half of the bytes          first half, then the error   some, error      -
//   kFlipBit  one bit of them differs    one bit differs on disk      -                -
//   kLost     -                          reports success, no write    success, no sync -
//   kMisdirect -                         success, written elsewhere   -                -
// On a MemoryStorage a sync that fails makes it forget what was to be written (ForgetfulFile):
// all of it, or after kShort the sectors that some tosses of a coin leave out.
// A short read breaks the promise of File::read_at: a caller of read_at sees an early end of
// the file, while a queue carries on where it stopped, as it must with a device.
//
// Faults reach the queues that read through File::read_at: ManualLoop's, BlockingQueue, and
// UringQueue by its slow path for files that are not PosixFile. Thread-safe; a run is
// repeatable when the order of the calls is.
#pragma once

#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "io/storage.h"

namespace kachel::io {

enum class FaultOp : std::uint8_t {
  kRead,
  kWrite,
  kSync,
  kReserve,
  kTruncate,
  kOpen,  // existing files
  kCreate,
  kRemove,  // remove and remove_tree
  kRename,  // by the path renamed from
  kLink,    // by the path linked from
  kList,
  kCreateDirectory,
  kSyncDirectory,
};

std::string_view name_of(FaultOp op);
/// Whether it leaves something on the storage that was not there before.
constexpr bool changes_storage(FaultOp op) {
  return op != FaultOp::kRead && op != FaultOp::kOpen && op != FaultOp::kList;
}

enum class FaultKind : std::uint8_t { kError, kShort, kFlipBit, kLost, kMisdirect };

struct Fault {
  FaultOp op = FaultOp::kRead;
  FaultKind kind = FaultKind::kError;
  int error_number = EIO;       // of kError and kShort
  std::string path_contains{};  // empty: every path
  std::uint64_t skip = 0;       // matching operations let through before the first fault
  std::uint64_t times = 1;      // faults before it is spent; 0: for ever
  double probability = 1.0;     // that a matching operation past `skip` fails
};

/// What is about to be carried out. Valid during the call only.
struct Operation {
  FaultOp op = FaultOp::kRead;
  std::string_view path;
  std::uint64_t offset = 0;        // of writes
  std::span<const iovec> parts{};  // of writes
};
using Observer = std::function<void(const Operation&)>;

class FaultPlan;

class FaultyStorage final : public Storage {
 public:
  /// `base` must outlive this storage and its files.
  explicit FaultyStorage(Storage& base, std::uint64_t seed = 0);
  ~FaultyStorage() override;

  /// Adds a fault. When several match an operation, the one injected first acts.
  void inject(Fault fault);
  /// From here on nothing fails.
  void clear();
  /// How many operations have failed so far.
  std::uint64_t injected() const;
  /// `observer` sees every operation before it is carried out or fails, and may copy the
  /// storage beneath. Set it before the storage is used by other threads; empty: none.
  void observe(Observer observer);

  Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) override;
  Result<void> remove(std::string_view path) override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> link(std::string_view from, std::string_view to) override;
  Result<bool> exists(std::string_view path) override;
  Result<void> create_directory(std::string_view path) override;
  Result<void> remove_tree(std::string_view path) override;
  Result<std::vector<std::string>> list(std::string_view directory) override;
  Result<void> sync_directory(std::string_view directory) override;
  Result<std::unique_ptr<DirectoryLock>> lock(std::string_view path) override;
  Result<SpaceInfo> space() override;
  std::string native_root() const override;

 private:
  Storage& base_;
  std::shared_ptr<FaultPlan> plan_;  // shared with the open files
};

}  // namespace kachel::io
