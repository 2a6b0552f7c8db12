#include "io/faulty_storage.h"

#include <algorithm>
#include <vector>

#include "io/crash_outcome.h"
#include "io/fault_plan.h"
#include "io/memory_storage.h"

namespace kachel::io {

namespace {

std::vector<std::byte> gather(std::span<const iovec> parts) {
  std::vector<std::byte> bytes;
  for (const iovec& part : parts) {
    const auto* data = static_cast<const std::byte*>(part.iov_base);
    bytes.insert(bytes.end(), data, data + part.iov_len);
  }
  return bytes;
}

class FaultyFile final : public File {
 public:
  FaultyFile(std::unique_ptr<File> base, std::shared_ptr<FaultPlan> plan, std::string path)
      : base_(std::move(base)), plan_(std::move(plan)), path_(std::move(path)) {}

  Result<std::uint64_t> size() const override { return base_->size(); }
  Result<void> reserve(std::uint64_t bytes) override {
    if (auto checked = plan_->check(FaultOp::kReserve, path_); !checked) return checked;
    return base_->reserve(bytes);
  }
  Result<void> truncate(std::uint64_t bytes) override {
    if (auto checked = plan_->check(FaultOp::kTruncate, path_); !checked) return checked;
    return base_->truncate(bytes);
  }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const override;
  Result<void> write_at(std::uint64_t offset, std::span<iovec> parts) override;
  Result<void> sync() override;
  void prefetch(std::uint64_t offset, std::uint64_t length) const override {
    base_->prefetch(offset, length);
  }

  void drop_cache(std::uint64_t offset, std::uint64_t length) override {
    base_->drop_cache(offset, length);
  }

 private:
  void fail_sync(FaultKind kind);
  void flip_a_bit(std::span<std::byte> bytes) const;
  std::uint64_t another_place(std::uint64_t offset) const;

  const std::unique_ptr<File> base_;
  const std::shared_ptr<FaultPlan> plan_;  // shared with the storage and its other files
  const std::string path_;
};

Result<std::size_t> FaultyFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  const auto fault = plan_->strike({FaultOp::kRead, path_, offset});
  if (!fault) return base_->read_at(offset, out);
  if (fault->kind == FaultKind::kError) return injected_error(*fault, path_);
  if (fault->kind == FaultKind::kShort) {
    // At least a byte: nothing at all would be the end of the file.
    return base_->read_at(offset, out.first((out.size() + 1) / 2));
  }
  auto got = base_->read_at(offset, out);
  if (got) flip_a_bit(out.first(*got));
  return got;
}

Result<void> FaultyFile::write_at(std::uint64_t offset, std::span<iovec> parts) {
  const auto fault = plan_->strike({FaultOp::kWrite, path_, offset, parts});
  if (!fault) return base_->write_at(offset, parts);
  if (fault->kind == FaultKind::kError) return injected_error(*fault, path_);
  if (fault->kind == FaultKind::kLost) return {};
  std::vector<std::byte> bytes = gather(parts);
  if (fault->kind == FaultKind::kShort) bytes.resize(bytes.size() / 2);
  if (fault->kind == FaultKind::kFlipBit) flip_a_bit(bytes);
  if (fault->kind == FaultKind::kMisdirect) offset = another_place(offset);
  iovec altered{bytes.data(), bytes.size()};
  auto written = base_->write_at(offset, {&altered, 1});
  if (written && fault->kind == FaultKind::kShort) return injected_error(*fault, path_);
  return written;
}

Result<void> FaultyFile::sync() {
  const auto fault = plan_->strike({FaultOp::kSync, path_});
  if (!fault) return base_->sync();
  if (fault->kind == FaultKind::kLost) return {};
  fail_sync(fault->kind);
  return injected_error(*fault, path_);
}

void FaultyFile::fail_sync(FaultKind kind) {
  auto* forgetful = dynamic_cast<ForgetfulFile*>(base_.get());
  if (forgetful == nullptr) return;
  LoseAll nothing;
  if (kind != FaultKind::kShort) return forgetful->fail_sync(nothing);
  SeededRandom random(plan_->draw(~std::uint64_t{0}));
  KeepAtRandom some(random);
  forgetful->fail_sync(some);
}

void FaultyFile::flip_a_bit(std::span<std::byte> bytes) const {
  if (bytes.empty()) return;
  const std::uint64_t bit = plan_->draw(bytes.size() * 8);
  bytes[bit / 8] ^= std::byte{1} << (bit % 8);
}

}  // namespace

/// As far into a sector as before, but of another one of the file's.
std::uint64_t FaultyFile::another_place(std::uint64_t offset) const {
  const auto size = base_->size();
  const std::uint64_t sectors = size ? *size / kSectorBytes : 0;
  const std::uint64_t own = offset / kSectorBytes;
  if (sectors <= 1) return offset + kSectorBytes;
  const std::uint64_t other = plan_->draw(sectors);
  return offset % kSectorBytes + (other == own ? (other + 1) % sectors : other) * kSectorBytes;
}

std::string_view name_of(FaultOp op) {
  static constexpr std::string_view kNames[] = {
      "read",   "write",  "sync", "reserve", "truncate",         "open",          "create",
      "remove", "rename", "link", "list",    "create directory", "sync directory"};
  return kNames[static_cast<std::size_t>(op)];
}

FaultyStorage::FaultyStorage(Storage& base, std::uint64_t seed)
    : base_(base), plan_(std::make_shared<FaultPlan>(seed)) {}

FaultyStorage::~FaultyStorage() = default;

void FaultyStorage::inject(Fault fault) {
  plan_->inject(std::move(fault));
}

void FaultyStorage::clear() {
  plan_->clear();
}

void FaultyStorage::observe(Observer observer) {
  plan_->observe(std::move(observer));
}

std::uint64_t FaultyStorage::injected() const {
  return plan_->injected();
}

Result<std::unique_ptr<File>> FaultyStorage::open(std::string_view path, OpenMode mode) {
  const FaultOp op = creates(mode) ? FaultOp::kCreate : FaultOp::kOpen;
  if (auto checked = plan_->check(op, path); !checked) return checked.error();
  auto file = base_.open(path, mode);
  if (!file) return file.error();
  return std::make_unique<FaultyFile>(std::move(*file), plan_, std::string(path));
}

Result<void> FaultyStorage::remove(std::string_view path) {
  if (auto checked = plan_->check(FaultOp::kRemove, path); !checked) return checked;
  return base_.remove(path);
}

Result<void> FaultyStorage::rename(std::string_view from, std::string_view to) {
  if (auto checked = plan_->check(FaultOp::kRename, from); !checked) return checked;
  return base_.rename(from, to);
}

Result<void> FaultyStorage::link(std::string_view from, std::string_view to) {
  if (auto checked = plan_->check(FaultOp::kLink, from); !checked) return checked;
  return base_.link(from, to);
}

Result<bool> FaultyStorage::exists(std::string_view path) {
  return base_.exists(path);
}

Result<void> FaultyStorage::create_directory(std::string_view path) {
  if (auto checked = plan_->check(FaultOp::kCreateDirectory, path); !checked) return checked;
  return base_.create_directory(path);
}

Result<void> FaultyStorage::remove_tree(std::string_view path) {
  if (auto checked = plan_->check(FaultOp::kRemove, path); !checked) return checked;
  return base_.remove_tree(path);
}

Result<std::vector<std::string>> FaultyStorage::list(std::string_view directory) {
  if (auto checked = plan_->check(FaultOp::kList, directory); !checked) return checked.error();
  return base_.list(directory);
}

Result<void> FaultyStorage::sync_directory(std::string_view directory) {
  if (auto checked = plan_->check(FaultOp::kSyncDirectory, directory); !checked) return checked;
  return base_.sync_directory(directory);
}

Result<std::unique_ptr<DirectoryLock>> FaultyStorage::lock(std::string_view path) {
  return base_.lock(path);
}

Result<SpaceInfo> FaultyStorage::space() {
  return base_.space();
}

std::string FaultyStorage::native_root() const {
  return base_.native_root();
}

}  // namespace kachel::io
