#include "tests/simulator/digest.h"

#include <xxhash.h>

namespace kachel::sim {
namespace {

void add_space(Digest& digest, const Namespace& space) {
  digest.add(std::uint64_t{space.tenant} << 8 | space.database);
}

void add_row(Digest& digest, const Row& row) {
  for (const std::uint64_t number :
       {row.segment_id, row.offset, std::uint64_t{row.size}, row.sequence, row.version,
        static_cast<std::uint64_t>(row.expires_at_ms), row.raw_bytes, row.covers,
        row.expiry_sequence, static_cast<std::uint64_t>(row.erase_by_ms)}) {
    digest.add(number);
  }
  for (const ScopeTag tag : row.tags)
    digest.add(tag);
}

}  // namespace

void Digest::add(std::span<const std::byte> bytes) {
  value_ = XXH3_64bits_withSeed(bytes.data(), bytes.size(), value_);
}

void Digest::add(const MemoryIndexImage& index) {
  add(index.rows.size());
  for (const auto& [key, row] : index.rows) {
    add_space(*this, key.space);
    add(std::as_bytes(std::span(&key.mac, 1)));
    add_row(*this, row);
  }
  add(index.holds.size());
  for (const auto& [id, hold] : index.holds) {
    add(id.low());
    add(hold.version);
  }
  add(index.fences.size());
  for (const auto& [key, fence] : index.fences) {
    add_space(*this, fence.space);
    add(std::as_bytes(std::span(&fence.mac, 1)));
    add(fence.version);
    add(static_cast<std::uint64_t>(fence.created_ms));
  }
  add(index.counts.size());
  for (const auto& [id, counts] : index.counts) {
    add(id);
    add(counts.live_bytes);
    add(counts.has_later_expiries);
    add(static_cast<std::uint64_t>(counts.due_ms));
    add(counts.live.size());
    for (const auto& [space, share] : counts.live) {
      add_space(*this, space);
      add(share.entries);
      add(share.bytes);
    }
  }
  add(index.marker.has_value());
  if (!index.marker) return;
  add(index.marker->applied_through);
  add(index.marker->open_segments.size());
  for (const auto& [id, offset] : index.marker->open_segments) {
    add(id);
    add(offset);
  }
}

}  // namespace kachel::sim
