#include "tests/simulator/fault_profile.h"

#include <algorithm>

namespace kachel::sim {
namespace {

constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kTightSegments = 14;

io::FaultOp draw_name_op(Choices& choices) {
  static constexpr io::FaultOp kOps[] = {io::FaultOp::kCreate, io::FaultOp::kRemove,
                                         io::FaultOp::kReserve, io::FaultOp::kTruncate,
                                         io::FaultOp::kSyncDirectory};
  return kOps[choices.choose(std::size(kOps))];
}

/// Of RocksDB's files.
io::Fault index_file_fault(Choices& choices) {
  static constexpr io::FaultOp kOps[] = {io::FaultOp::kWrite,  io::FaultOp::kSync,
                                         io::FaultOp::kCreate, io::FaultOp::kRename,
                                         io::FaultOp::kRemove, io::FaultOp::kSyncDirectory};
  io::Fault fault;
  fault.op = kOps[choices.choose(std::size(kOps))];
  fault.error_number = choices.one_in(2) ? ENOSPC : EIO;
  fault.path_contains = "index";
  fault.skip = choices.choose(20);
  fault.times = 1 + choices.choose(4);
  return fault;
}

}  // namespace

FaultProfile FaultProfile::draw(Choices& choices) {
  FaultProfile profile;
  profile.kind_ = static_cast<Kind>(choices.choose(static_cast<std::size_t>(Kind::kCount)));
  profile.clock_jumps = choices.one_in(4);
  return profile;
}

std::string_view FaultProfile::name() const {
  static constexpr std::string_view kNames[] = {
      "no errors",   "no errors", "write errors",  "no space",   "sync errors",   "name errors",
      "read errors", "slow I/O",  "index trouble", "small disk", "short of room", "lies"};
  static_assert(std::size(kNames) == static_cast<std::size_t>(Kind::kCount));
  return kNames[static_cast<std::size_t>(kind_)];
}

void FaultProfile::choose_setup(Setup& setup, Choices& choices) {
  // What a slow sync lets pass it is there when the sync fails.
  is_slow_ = kind_ == Kind::kSlow || (kind_ == Kind::kSyncErrors && choices.one_in(2));
  if (is_slow_) {
    setup.slow_io_percent = 30;
    setup.slow_io_max_ms = kind_ == Kind::kSlow && choices.one_in(3) ? 8'000 : 50;
  }
  if (kind_ == Kind::kSmallDisk) setup.device_bytes = (1 + choices.choose(3)) * kMiB;
  if (kind_ == Kind::kTight) {
    setup.options.capacity_bytes = 64 * kMiB;
    if (choices.one_in(2)) setup.quota_bytes = (1 + choices.choose(16)) * 4096;
  }
}

void FaultProfile::configure(World& world, Oracle& oracle, Choices& choices) {
  static constexpr std::uint64_t kFlushAtRows[] = {0, 4, 16, 50};
  IndexDisk& index = *world.index_disk;
  index.flush_at_rows = kFlushAtRows[choices.choose(4)];
  index.flush_max_ms = choices.one_in(4) ? 2'000 : 20;
  index.needs_disk_percent = choices.one_in(3) ? 20 : 0;
  if (kind_ == Kind::kIndexTrouble) {
    index.flush_error_percent = 40;
    index_read_errors_ = choices.one_in(2) ? 5 : 0;
    index.needs_disk_percent = 30;
    index.flush_at_rows = 4;
  }
  if (kind_ == Kind::kTight) {
    index.fake_bytes = 64 * kMiB - kTightSegments * world.setup.options.segment_bytes;
  }
  restart(world, oracle);
}

void FaultProfile::restart(World& world, Oracle& oracle) const {
  world.index_disk->read_error_percent = index_read_errors_;
  // Relaxed puts are acknowledged before they find their place, or none.
  const bool relaxed = world.setup.options.durability == Durability::kRelaxed;
  const bool drops_later = may_drop() && relaxed;
  const bool short_of_space =
      kind_ == Kind::kTight || kind_ == Kind::kNoSpace || kind_ == Kind::kSmallDisk;
  // What lives beside something dead, and can't be written anew by its deadline, goes with it.
  const bool goes_along = may_fail() && world.setup.options.erase_within < Options().erase_within;
  oracle.evicts = short_of_space || reads_fail() || drops_later || goes_along;
  // An index that can't be read stops all writes, as a failed sync does.
  oracle.device_failed = kind_ == Kind::kIndexTrouble;
  // What relaxed has acknowledged and not written by then is lost, whenever the next crash comes.
  oracle.windows_hold = !is_slow_ && !(kind_ == Kind::kIndexTrouble && relaxed);
  oracle.weak = kind_ == Kind::kLies;
}

void FaultProfile::arm(World& world, io::Fault fault, FaultClass counted) {
  count(world);
  counted_ = counted;
  world.storage->inject(std::move(fault));
}

void FaultProfile::count(World& world) {
  world.faults.note(counted_, world.storage->injected() - injected_);
  injected_ = world.storage->injected();
}

void FaultProfile::calm(World& world) {
  count(world);
  world.storage->clear();
  world.index_disk->read_error_percent = 0;
}

void FaultProfile::strike(World& world, Oracle& oracle, Choices& choices) {
  if (!choices.one_in(12)) return;
  io::Fault fault;
  fault.path_contains = "segments";
  fault.skip = choices.choose(3);
  fault.times = 1 + choices.choose(4);
  switch (kind_) {
    case Kind::kWriteErrors:
      fault.op = io::FaultOp::kWrite;
      fault.kind = choices.one_in(2) ? io::FaultKind::kShort : io::FaultKind::kError;
      oracle.windows_hold = false;
      return arm(
          world, fault,
          fault.kind == io::FaultKind::kShort ? FaultClass::kShortWrite : FaultClass::kWriteError);
    case Kind::kNoSpace:
      fault.op = choices.one_in(2) ? io::FaultOp::kWrite : io::FaultOp::kReserve;
      fault.times = 1 + choices.choose(30);
      fault.error_number = ENOSPC;
      // What still fits is written, and the rest is not.
      if (fault.op == io::FaultOp::kWrite && choices.one_in(2)) fault.kind = io::FaultKind::kShort;
      oracle.windows_hold = false;
      return arm(world, fault, FaultClass::kNoSpace);
    case Kind::kSyncErrors:
      if (!choices.one_in(4)) return;
      fault.op = io::FaultOp::kSync;
      if (choices.one_in(2)) fault.kind = io::FaultKind::kShort;
      oracle.device_failed = true;
      oracle.windows_hold = false;
      return arm(world, fault, FaultClass::kSyncError);
    case Kind::kNameErrors:
      fault.op = draw_name_op(choices);
      if (choices.one_in(4)) fault.path_contains = "superblock";
      oracle.windows_hold = false;
      return arm(world, fault, FaultClass::kNameError);
    case Kind::kReadErrors:
      fault.op = io::FaultOp::kRead;
      fault.kind = choices.one_in(2) ? io::FaultKind::kShort : io::FaultKind::kError;
      return arm(
          world, fault,
          fault.kind == io::FaultKind::kShort ? FaultClass::kShortRead : FaultClass::kReadError);
    case Kind::kLies:
      fault.op = io::FaultOp::kWrite;
      fault.kind = choices.one_in(2) ? io::FaultKind::kLost : io::FaultKind::kMisdirect;
      return arm(world, fault,
                 fault.kind == io::FaultKind::kLost ? FaultClass::kLostWrite
                                                    : FaultClass::kMisdirectedWrite);
    case Kind::kIndexTrouble:
      if (world.setup.index == IndexKind::kMemory) return;  // it has moods
      fault = index_file_fault(choices);
      return arm(world, fault, FaultClass::kIndexFlushError);
    default:
      return;
  }
}

bool FaultProfile::strikes_starts() const {
  return kind_ == Kind::kWriteErrors || kind_ == Kind::kNoSpace || kind_ == Kind::kSyncErrors ||
         kind_ == Kind::kNameErrors || kind_ == Kind::kReadErrors;
}

void FaultProfile::strike_start(World& world, Choices& choices) {
  io::Fault fault;
  fault.skip = choices.choose(12);
  fault.op = draw_name_op(choices);
  FaultClass counted = FaultClass::kNameError;
  if (kind_ == Kind::kWriteErrors || kind_ == Kind::kNoSpace) {
    fault.op = io::FaultOp::kWrite;
    fault.error_number = kind_ == Kind::kNoSpace ? ENOSPC : EIO;
    if (choices.one_in(2)) fault.kind = io::FaultKind::kShort;
    counted = kind_ == Kind::kNoSpace ? FaultClass::kNoSpace : FaultClass::kWriteError;
  } else if (kind_ == Kind::kSyncErrors) {
    fault.op = io::FaultOp::kSync;
    if (choices.one_in(2)) fault.kind = io::FaultKind::kShort;
    counted = FaultClass::kSyncError;
  } else if (kind_ == Kind::kReadErrors) {
    fault.op = io::FaultOp::kRead;
    counted = FaultClass::kReadError;
  }
  arm(world, fault, counted);
}

bool FaultProfile::may_drop() const {
  return kind_ == Kind::kWriteErrors || kind_ == Kind::kNoSpace || kind_ == Kind::kSyncErrors ||
         kind_ == Kind::kNameErrors || kind_ == Kind::kSmallDisk || kind_ == Kind::kTight ||
         kind_ == Kind::kLies || kind_ == Kind::kIndexTrouble;
}

bool FaultProfile::may_fail() const {
  return kind_ == Kind::kSyncErrors || kind_ == Kind::kWriteErrors || kind_ == Kind::kNoSpace ||
         kind_ == Kind::kNameErrors || kind_ == Kind::kSmallDisk || kind_ == Kind::kIndexTrouble;
}

bool FaultProfile::may_be_late() const {
  return kind_ != Kind::kCalm && kind_ != Kind::kCalmToo;
}

bool FaultProfile::reads_fail() const {
  return kind_ == Kind::kReadErrors || kind_ == Kind::kLies || kind_ == Kind::kIndexTrouble;
}

bool write_partly(World& world, const io::Operation& operation, Choices& choices) {
  if (operation.op != io::FaultOp::kWrite || operation.parts.empty()) return false;
  std::vector<std::byte> bytes;
  for (const iovec& part : operation.parts) {
    const auto* data = static_cast<const std::byte*>(part.iov_base);
    bytes.insert(bytes.end(), data, data + part.iov_len);
  }
  const std::uint64_t first = operation.offset / kPageBytes;
  const std::uint64_t pages = (operation.offset + bytes.size() - 1) / kPageBytes - first + 1;
  const std::uint64_t done = choices.choose(pages + 1);
  if (done == 0) return false;
  const std::uint64_t until = (first + done) * kPageBytes - operation.offset;
  bytes.resize(std::min<std::uint64_t>(bytes.size(), until));
  auto file = world.disk->open(operation.path, io::OpenMode::kReadWrite);
  if (!file) return false;
  iovec part{bytes.data(), bytes.size()};
  return (*file)->write_at(operation.offset, {&part, 1}).has_value();
}

}  // namespace kachel::sim
