#include "engine/codec.h"

#include <gtest/gtest.h>
#include <thread>

#include "format_testing.h"

namespace kachel {
namespace {

using format::Bytes;
using format::Codec;
using format::Random;

// Compresses about as well as prose.
Bytes wordy_bytes(Random& random, std::size_t size) {
  static constexpr std::string_view kWords[] = {"tile ",  "stove ", "heat ",
                                                "keeps ", "for ",   "days "};
  std::string text;
  while (text.size() < size)
    text += kWords[format::below(random, std::size(kWords))];
  text.resize(size);
  return format::copy_of(format::as_bytes(text));
}

void expect_round_trip(const Bytes& value, int level) {
  const Compressed compressed = compress(value, level);
  ASSERT_LE(compressed.bytes.size(), value.size());
  Bytes out(value.size());
  const auto done = decompress(compressed.codec, compressed.bytes, out);
  ASSERT_TRUE(done) << done.error().message;
  ASSERT_EQ(out, value);
}

TEST(Codec, EverySizeComesBack) {
  Random random(1);
  for (std::size_t size = 0; size <= 300; ++size) {
    expect_round_trip(wordy_bytes(random, size), 3);
    expect_round_trip(format::some_bytes(random, size), 3);
  }
  for (const std::size_t size :
       {4095U, 4096U, 65536U, 131072U, 131073U, 1U << 20, (1U << 20) + 1}) {
    expect_round_trip(wordy_bytes(random, size), 3);
    expect_round_trip(format::some_bytes(random, size), 1);
  }
  expect_round_trip(wordy_bytes(random, 200'000), 19);
}

TEST(Codec, SmallAndIncompressibleValuesAreStoredRaw) {
  Random random(2);
  const Bytes small = wordy_bytes(random, 63);
  EXPECT_EQ(compress(small, 3).codec, Codec::kRaw);
  EXPECT_EQ(compress(small, 3).bytes.data(), small.data());
  EXPECT_EQ(compress(format::some_bytes(random, 10'000), 3).codec, Codec::kRaw);
  EXPECT_EQ(compress(wordy_bytes(random, 10'000), 3).codec, Codec::kZstd);
}

TEST(Codec, ALargeValueIsFollowedByASmallOne) {
  Random random(3);
  expect_round_trip(wordy_bytes(random, 16 << 20), 3);
  expect_round_trip(wordy_bytes(random, 1000), 3);
  release_compress_scratch();
  expect_round_trip(wordy_bytes(random, 1000), 3);
}

TEST(Codec, EveryTruncationIsAnError) {
  Random random(4);
  const Bytes value = wordy_bytes(random, 2000);
  const Bytes stored = format::copy_of(compress(value, 3).bytes);
  Bytes out(value.size());
  for (std::size_t size = 0; size < stored.size(); ++size) {
    const Bytes cut = format::copy_of(std::span(stored).first(size));
    ASSERT_FALSE(decompress(Codec::kZstd, cut, out)) << size;
  }
}

TEST(Codec, BytesAfterTheFrameAreAnError) {
  Random random(5);
  const Bytes value = wordy_bytes(random, 2000);
  Bytes stored = format::copy_of(compress(value, 3).bytes);
  const Bytes frame = stored;
  stored.push_back(std::byte{0});
  Bytes out(value.size());
  EXPECT_FALSE(decompress(Codec::kZstd, stored, out));
  stored = frame;
  stored.insert(stored.end(), frame.begin(), frame.end());
  EXPECT_FALSE(decompress(Codec::kZstd, stored, out));
}

TEST(Codec, AnotherSizeIsAnError) {
  Random random(6);
  const Bytes value = wordy_bytes(random, 2000);
  const Bytes stored = format::copy_of(compress(value, 3).bytes);
  for (const std::size_t size : {0U, 1U, 1999U, 2001U, 100'000U}) {
    Bytes out(size);
    const auto done = decompress(Codec::kZstd, stored, out);
    ASSERT_FALSE(done) << size;
    EXPECT_EQ(done.error().code, ErrorCode::kCorrupt);
    EXPECT_FALSE(decompress(Codec::kRaw, value, out)) << size;
  }
}

// The frame has no checksum of its own (the record has one): a flip may give other bytes, but
// never more of them, and never a read or write outside (sanitizers).
TEST(Codec, FlippedBitsNeverLeaveTheBuffers) {
  Random random(7);
  const Bytes value = wordy_bytes(random, 600);
  Bytes stored = format::copy_of(compress(value, 3).bytes);
  Bytes out(value.size());
  unsigned refused = 0;
  for (std::size_t bit = 0; bit < stored.size() * 8; ++bit) {
    format::flip(stored, bit);
    if (!decompress(Codec::kZstd, stored, out)) ++refused;
    format::flip(stored, bit);
  }
  EXPECT_GT(refused, 0u);
  EXPECT_TRUE(decompress(Codec::kZstd, stored, out));
}

TEST(Codec, AnUnknownCodecIsAnError) {
  EXPECT_FALSE(decompress(static_cast<Codec>(9), {}, {}));
}

TEST(Codec, EveryThreadHasItsOwnContexts) {
  std::vector<std::thread> threads;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    threads.emplace_back([seed] {
      Random random(seed);
      for (int i = 0; i < 50; ++i)
        expect_round_trip(wordy_bytes(random, 5000), 3);
    });
  }
  for (std::thread& thread : threads)
    thread.join();
}

}  // namespace
}  // namespace kachel
