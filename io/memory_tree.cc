#include "io/memory_tree.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace kachel::io {
namespace {

void view_number(const MemoryViewer& see, std::uint64_t number) {
  see(std::as_bytes(std::span(&number, 1)));
}

/// With its length before it, so that no two sequences of pieces look alike.
void view_bytes(const MemoryViewer& see, std::span<const std::byte> bytes) {
  view_number(see, bytes.size());
  see(bytes);
}

void view_node(const MemoryViewer& see, const MemoryNode& node, MemoryNumbers& numbers) {
  const void* identity = node.file ? static_cast<const void*>(node.file.get())
                                   : static_cast<const void*>(node.directory.get());
  const auto [found, is_new] = numbers.emplace(identity, numbers.size());
  view_number(see, found->second);
  if (!is_new) return;
  if (node.file) node.file->view(see);
  if (node.directory) node.directory->view(see, numbers);
}

}  // namespace

std::size_t MemoryFileData::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset >= live_.size() || out.empty()) return 0;
  const std::size_t count = std::min<std::size_t>(out.size(), live_.size() - offset);
  std::memcpy(out.data(), live_.data() + offset, count);
  return count;
}

void MemoryFileData::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  unsynced_.push_back({offset, {bytes.begin(), bytes.end()}});
  apply(unsynced_.back(), live_);
}

void MemoryFileData::truncate(std::uint64_t bytes) {
  unsynced_.push_back({bytes, {}});
  apply(unsynced_.back(), live_);
  recharge();
}

void MemoryFileData::sync() {
  for (const Change& change : unsynced_)
    apply(change, durable_);
  unsynced_.clear();
}

void MemoryFileData::fail_sync(CrashOutcome& outcome) {
  for (const Change& change : unsynced_) {
    if (change.bytes.empty()) {
      apply(change, durable_);
    } else {
      apply_partly(change, outcome, durable_);
    }
  }
  unsynced_.clear();
  forgotten_ = true;
}

/// What would be durable if a sync succeeded now.
std::vector<std::byte> MemoryFileData::synced_now() const {
  std::vector<std::byte> bytes = durable_;
  for (const Change& change : unsynced_)
    apply(change, bytes);
  bytes.resize(live_.size());  // the size in use is not part of the cache
  return bytes;
}

void MemoryFileData::drop_cache(std::uint64_t offset, std::uint64_t length) {
  if (!forgotten_ || offset >= live_.size()) return;
  const std::vector<std::byte> bytes = synced_now();
  const std::size_t count = std::min<std::size_t>(length, live_.size() - offset);
  std::memcpy(live_.data() + offset, bytes.data() + offset, count);
}

void MemoryFileData::evict(CrashOutcome& outcome) {
  if (!forgotten_ || live_.empty()) return;
  std::vector<bool> kept((live_.size() - 1) / kSectorBytes + 1);
  outcome.keep_sectors(0, kept);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (!kept[i]) drop_cache(i * kSectorBytes, kSectorBytes);
  }
}

void MemoryFileData::apply(const Change& change, std::vector<std::byte>& to) {
  const std::uint64_t end = change.offset + change.bytes.size();
  if (change.bytes.empty() || end > to.size()) to.resize(end);
  std::copy(change.bytes.begin(), change.bytes.end(),
            to.begin() + static_cast<std::ptrdiff_t>(change.offset));
}

void MemoryFileData::apply_partly(const Change& change, CrashOutcome& outcome,
                                  std::vector<std::byte>& to) {
  const std::uint64_t end = change.offset + change.bytes.size();
  if (change.bytes.empty()) {
    if (outcome.keep_size()) to.resize(end);
    return;
  }
  const std::uint64_t first = change.offset / kSectorBytes;
  std::vector<bool> kept((end - 1) / kSectorBytes - first + 1);
  outcome.keep_sectors(first, kept);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (!kept[i]) continue;
    const std::uint64_t from = std::max(change.offset, (first + i) * kSectorBytes);
    const std::uint64_t until = std::min(end, (first + i + 1) * kSectorBytes);
    if (until > to.size()) to.resize(until);
    std::memcpy(to.data() + from, change.bytes.data() + (from - change.offset), until - from);
  }
  if (end > to.size() && outcome.keep_size()) to.resize(end);
}

void MemoryFileData::crash(CrashOutcome& outcome) {
  for (const Change& change : unsynced_)
    apply_partly(change, outcome, durable_);
  unsynced_.clear();
  live_ = durable_;
  forgotten_ = false;
  users_ = 1;  // its name; handles from before are dead
  recharge();
}

void MemoryFileData::drop_user() {
  if (users_ == 0 || --users_ > 0) return;
  used_ -= charged_;
  charged_ = 0;
}

std::shared_ptr<MemoryFileData> MemoryFileData::clone(std::uint64_t& used) const {
  auto copy = std::make_shared<MemoryFileData>(used);
  copy->live_ = live_;
  copy->durable_ = durable_;
  copy->unsynced_ = unsynced_;
  copy->forgotten_ = forgotten_;
  copy->charge(charged_);
  copy->users_ = std::min(users_, 1);
  return copy;
}

void MemoryFileData::view(const MemoryViewer& see) const {
  view_bytes(see, durable_);
  view_number(see, unsynced_.size());
  for (const Change& change : unsynced_) {
    view_number(see, change.offset);
    view_bytes(see, change.bytes);
  }
  view_number(see, forgotten_);
  if (forgotten_) view_bytes(see, live_);
}

void MemoryFileData::charge(std::uint64_t bytes) {
  used_ += cost_of(bytes);
  charged_ = std::max(charged_, bytes);
}

void MemoryFileData::recharge() {
  used_ -= charged_;
  charged_ = live_.size();
  used_ += charged_;
}

void MemoryDirectory::apply(const Change& change, Entries& to) {
  if (!change.removed.empty()) to.erase(change.removed);
  if (!change.added.empty()) to.insert_or_assign(change.added, change.node);
}

void MemoryDirectory::change(Change change) {
  if (change.node.file) change.node.file->add_user();
  for (const std::string& name : {change.removed, change.added}) {
    const auto replaced = live_.find(name);
    if (replaced != live_.end()) drop_users(replaced->second);
  }
  unsynced_.push_back(std::move(change));
  apply(unsynced_.back(), live_);
}

void MemoryDirectory::drop_users(const MemoryNode& node) {
  if (node.file) node.file->drop_user();
  if (!node.directory) return;
  for (const auto& [name, below] : node.directory->live_)
    drop_users(below);
}

void MemoryDirectory::sync() {
  durable_ = live_;
  unsynced_.clear();
}

void MemoryDirectory::crash(CrashOutcome& outcome, MemoryNodes& seen) {
  for (const Change& change : std::exchange(unsynced_, {})) {
    if (outcome.keep_entry()) apply(change, durable_);
  }
  live_ = durable_;
  for (const auto& [name, node] : live_) {
    const void* identity = node.file ? static_cast<const void*>(node.file.get())
                                     : static_cast<const void*>(node.directory.get());
    if (!seen.emplace(identity, node).second) continue;
    if (node.file) node.file->crash(outcome);
    if (node.directory) node.directory->crash(outcome, seen);
  }
}

void MemoryDirectory::evict(CrashOutcome& outcome, MemoryNodes& seen) {
  for (const auto& [name, node] : live_) {
    const void* identity = node.file ? static_cast<const void*>(node.file.get())
                                     : static_cast<const void*>(node.directory.get());
    if (!seen.emplace(identity, node).second) continue;
    if (node.file) node.file->evict(outcome);
    if (node.directory) node.directory->evict(outcome, seen);
  }
}

void MemoryDirectory::view(const MemoryViewer& see, MemoryNumbers& numbers) const {
  view_number(see, durable_.size());
  for (const auto& [name, node] : durable_) {
    view_bytes(see, std::as_bytes(std::span(name)));
    view_node(see, node, numbers);
  }
  view_number(see, unsynced_.size());
  for (const Change& change : unsynced_) {
    view_bytes(see, std::as_bytes(std::span(change.removed)));
    view_bytes(see, std::as_bytes(std::span(change.added)));
    view_node(see, change.node, numbers);
  }
}

std::shared_ptr<MemoryDirectory> MemoryDirectory::clone(std::uint64_t& used,
                                                        MemoryNodes& seen) const {
  const auto copy_of = [&](const MemoryNode& node) -> MemoryNode {
    const void* identity = node.file ? static_cast<const void*>(node.file.get())
                                     : static_cast<const void*>(node.directory.get());
    if (identity == nullptr) return {};
    const auto found = seen.find(identity);
    if (found != seen.end()) return found->second;
    MemoryNode copy;
    if (node.file) copy.file = node.file->clone(used);
    if (node.directory) copy.directory = node.directory->clone(used, seen);
    return seen.emplace(identity, copy).first->second;
  };
  auto copy = std::make_shared<MemoryDirectory>();
  for (const auto& [name, node] : live_)
    copy->live_.emplace(name, copy_of(node));
  for (const auto& [name, node] : durable_)
    copy->durable_.emplace(name, copy_of(node));
  for (const Change& change : unsynced_)
    copy->unsynced_.push_back({change.removed, change.added, copy_of(change.node)});
  return copy;
}

}  // namespace kachel::io
