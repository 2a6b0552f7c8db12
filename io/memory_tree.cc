#include "io/memory_tree.h"

#include <algorithm>
#include <cstring>

namespace kachel::io {

namespace {

constexpr std::uint64_t kSectorBytes = 512;  // what a disk writes whole or not at all

}  // namespace

std::size_t MemoryFileData::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset >= live_.size() || out.empty()) return 0;
  const std::size_t count = std::min<std::size_t>(out.size(), live_.size() - offset);
  std::memcpy(out.data(), live_.data() + offset, count);
  return count;
}

void MemoryFileData::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const std::uint64_t end = offset + bytes.size();
  const std::uint64_t old_size = live_.size();
  if (end > old_size) live_.resize(end);
  std::memcpy(live_.data() + offset, bytes.data(), bytes.size());
  touch(std::min(offset, old_size), end);
}

void MemoryFileData::truncate(std::uint64_t bytes) {
  touch(std::min<std::uint64_t>(bytes, live_.size()), std::max<std::uint64_t>(bytes, live_.size()));
  live_.resize(bytes);
  recharge();
}

void MemoryFileData::sync() {
  durable_.resize(live_.size());
  const std::uint64_t to = std::min<std::uint64_t>(dirty_to_, live_.size());
  if (dirty_from_ < to) {
    std::memcpy(durable_.data() + dirty_from_, live_.data() + dirty_from_, to - dirty_from_);
  }
  dirty_from_ = dirty_to_ = 0;
}

void MemoryFileData::crash() {
  live_ = durable_;
  dirty_from_ = dirty_to_ = 0;
  recharge();
}

void MemoryFileData::crash_torn(SeededRandom& random) {
  const std::uint64_t shorter = std::min(live_.size(), durable_.size());
  const std::uint64_t span = std::max(live_.size(), durable_.size()) - shorter;
  std::vector<std::byte> left = durable_;
  left.resize(shorter + (span > 0 ? random.next() % (span + 1) : 0));
  const std::uint64_t to = std::min<std::uint64_t>({dirty_to_, left.size(), live_.size()});
  for (std::uint64_t at = dirty_from_; at < to;) {
    const std::uint64_t next = std::min(to, (at / kSectorBytes + 1) * kSectorBytes);
    if (random.next() % 2 == 0) std::memcpy(left.data() + at, live_.data() + at, next - at);
    at = next;
  }
  durable_ = left;
  crash();
}

void MemoryFileData::touch(std::uint64_t from, std::uint64_t to) {
  if (from >= to) return;
  const bool clean = dirty_from_ >= dirty_to_;
  dirty_from_ = clean ? from : std::min(dirty_from_, from);
  dirty_to_ = clean ? to : std::max(dirty_to_, to);
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

void MemoryDirectory::crash(SeededRandom* random) {
  live = durable;
  for (auto& [name, node] : live) {
    if (node.directory != nullptr) {
      node.directory->crash(random);
    } else if (random != nullptr) {
      node.file->crash_torn(*random);
    } else {
      node.file->crash();
    }
  }
}

}  // namespace kachel::io
