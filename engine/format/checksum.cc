#include "engine/format/checksum.h"

#define XXH_STATIC_LINKING_ONLY  // for the size of XXH3_state_t, to keep it on the stack
#include <array>
#include <cstring>
#include <new>
#include <xxhash.h>

#include "engine/format/bytes.h"
#include "engine/format/record.h"

namespace kachel::format {
namespace {

// Up to here, copying both pieces together beats setting up a streaming state.
constexpr std::size_t kJoinBytes = 512;

}  // namespace

std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint64_t checksum(std::span<const std::byte> first, std::span<const std::byte> second,
                       std::uint64_t seed) {
  if (first.size() + second.size() <= kJoinBytes) {
    std::array<std::byte, kJoinBytes> joined;
    PointerSink sink(joined.data());
    sink.bytes(first);
    sink.bytes(second);
    return checksum({joined.data(), first.size() + second.size()}, seed);
  }
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset_withSeed(&state, seed);
  XXH3_64bits_update(&state, first.data(), first.size());
  XXH3_64bits_update(&state, second.data(), second.size());
  return XXH3_64bits_digest(&state);
}

StreamingChecksum::StreamingChecksum(std::uint64_t seed) : state_(XXH3_createState()) {
  if (!state_) throw std::bad_alloc();
  XXH3_64bits_reset_withSeed(state_.get(), seed);
}

void StreamingChecksum::update(std::span<const std::byte> bytes) {
  XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
}

std::uint64_t StreamingChecksum::value() const {
  return XXH3_64bits_digest(state_.get());
}

void StreamingChecksum::Free::operator()(XXH3_state_s* state) const {
  XXH3_freeState(state);
}

std::uint64_t checksum_seed(const Place& place) {
  std::array<std::byte, 32> bytes;
  std::memcpy(bytes.data(), place.store_id.data(), place.store_id.size());
  store(bytes.data() + 16, place.segment_id);
  store(bytes.data() + 24, place.offset);
  return checksum(bytes, 0);
}

}  // namespace kachel::format
