// What each part leaves behind of a text: nothing, in what it frees and in what it keeps.
#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/codec.h"
#include "engine/entry.h"
#include "engine/format/record.h"
#include "io/buffer_pool.h"
#include "io/zeroizing.h"
#include "server/input_buffer.h"
#include "server/output_chain.h"
#include "server/resp_parser.h"
#include "tests/unit/zeroing/freed_memory.h"

namespace kachel {
namespace {

constexpr std::string_view kLong = "the quick brown fox jumps over the lazy dog";
constexpr std::string_view kShort = "lazy dog 4711";  // lies inside a string

template <typename T>
bool all_zero(const T* data, std::size_t bytes) {
  return std::all_of(data, data + bytes, [](T byte) { return byte == T{}; });
}

/// Or the tests below would prove nothing.
TEST(FreedMemory, FindsWhatAPlainStringLeaves) {
  const FreedMemory freed({kLong, kShort});
  { const std::string text(kLong); }
  EXPECT_EQ(freed.found(), 1u);
  { const std::vector<std::string> texts(3, std::string(kShort)); }
  EXPECT_EQ(freed.found(), 2u);
}

TEST(ZeroizingString, LeavesNothing) {
  const FreedMemory freed({kLong, kShort});
  for (const std::string_view text : {kLong, kShort}) {
    std::vector<ZeroizingString> texts;
    for (int i = 0; i < 20; ++i)
      texts.emplace_back(text);  // moves them, too
    ZeroizingString grown(text);
    for (int i = 0; i < 20; ++i)
      grown.append(text);
    ZeroizingString copy = texts.front();
    copy = grown;
    copy = texts.back();
    grown = std::move(copy);
    EXPECT_EQ(grown, text);
    texts.erase(texts.begin(), texts.begin() + 10);
  }
  EXPECT_EQ(freed.found(), 0u);
}

TEST(ZeroizingString, NothingLiesInOneThatWasMovedFrom) {
  for (const std::string_view text : {kLong, kShort}) {
    alignas(ZeroizingString) unsigned char memory[sizeof(ZeroizingString)];
    auto* from = ::new (memory) ZeroizingString(text);
    ZeroizingString to = std::move(*from);
    EXPECT_EQ(to, text);
    EXPECT_EQ(std::string_view(reinterpret_cast<char*>(memory), sizeof(memory)).find(kShort),
              std::string_view::npos);
    *from = std::move(to);
    EXPECT_EQ(*from, text);
    from->~ZeroizingString();
    EXPECT_EQ(std::string_view(reinterpret_cast<char*>(memory), sizeof(memory)).find(kShort),
              std::string_view::npos);
  }
}

TEST(ZeroizingString, IsZeroedForAnotherUse) {
  ZeroizingString text(kLong);
  const char* const data = text.data();
  text.zeroize_text();
  EXPECT_TRUE(text.empty());
  EXPECT_EQ(text.data(), data);
  EXPECT_TRUE(all_zero(data, kLong.size()));
}

TEST(ZeroizingBytes, AreZeroedWhenFreedAndWhenTheyGrow) {
  const FreedMemory freed({kLong});
  const auto bytes = std::as_bytes(std::span(kLong));
  ZeroizingBytes grown(bytes.begin(), bytes.end());
  grown.resize(1 << 20);
  EXPECT_EQ(freed.found(), 0u);
  grown = {};
  EXPECT_EQ(freed.found(), 0u);
}

TEST(Zeroing, OfEntries) {
  const FreedMemory freed({kLong, kShort});
  Entry::Pointer entry = Entry::make(kLong);
  entry->metadata.subjects = {kLong, kShort};
  entry.reset();
  EXPECT_EQ(freed.found(), 0u);
}

TEST(Zeroing, OfEncodedRecords) {
  const FreedMemory freed({kLong, kShort});
  format::RecordMeta meta;
  meta.key = kLong;
  meta.raw_bytes = kShort.size();
  format::EncodedRecord record = format::encode_record(meta, std::as_bytes(std::span(kShort)));
  format::EncodedRecord moved = std::move(record);
  record = format::encode_record(meta, std::as_bytes(std::span(kShort)));
  moved = std::move(record);
  moved = {};
  EXPECT_EQ(freed.found(), 0u);
}

TEST(Zeroing, OfReadBuffersThatGoBackToTheirPool) {
  constexpr std::size_t kAsked = 5000;
  io::BufferPool pool(1, 8192);
  for (const std::size_t bytes : {kAsked, std::size_t{8192}}) {
    io::PooledBuffer buffer = pool.acquire(bytes);
    std::byte* const data = buffer.data();
    std::fill_n(data, bytes, std::byte{'x'});
    io::PooledBuffer moved = std::move(buffer);
    moved.release();
    buffer = pool.acquire(1);
    ASSERT_EQ(buffer.data(), data);
    EXPECT_TRUE(all_zero(data, bytes)) << bytes;
  }
}

TEST(Zeroing, OfTheScratchThatValuesAreCompressedInto) {
  std::string value;
  for (int i = 0; value.size() < 10'000; ++i)
    value += std::to_string(i * i) + std::string(kLong.substr(0, static_cast<std::size_t>(i) % 40));
  const std::byte* scratch = nullptr;
  {
    const Compressed stored = compress(std::as_bytes(std::span(value)), 3);
    ASSERT_EQ(stored.codec, format::Codec::kZstd);
    scratch = stored.bytes.data();
    EXPECT_FALSE(all_zero(scratch, stored.bytes.size()));
  }
  EXPECT_TRUE(all_zero(scratch, value.size() - 1));

  // One that does not shrink: what zstd had written before it gave up.
  std::uint32_t state = 1;
  for (char& c : value) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  EXPECT_EQ(compress(std::as_bytes(std::span(value)), 3).codec, format::Codec::kRaw);
  EXPECT_TRUE(all_zero(scratch, value.size() - 1));
}

/// Raw literals of the values lie in them.
TEST(Zeroing, OfTheContextsOfZstd) {
  constexpr std::string_view kRandom = "0f3a9c71d2e84b56a7c0951e";
  static std::array<char, 256> value;
  static std::array<std::byte, 256> frame;
  static std::array<std::byte, 256> out;
  std::copy(kRandom.begin(), kRandom.end(), value.begin());  // zeros behind it
  const FreedMemory freed({kRandom});
  std::thread([] {
    std::size_t size = 0;
    {
      const Compressed stored = compress(std::as_bytes(std::span(value)), 3);
      ASSERT_EQ(stored.codec, format::Codec::kZstd);
      size = stored.bytes.size();
      std::copy(stored.bytes.begin(), stored.bytes.end(), frame.begin());
    }
    ASSERT_TRUE(decompress(format::Codec::kZstd, std::span(frame).first(size), out));
  }).join();
  ASSERT_EQ(std::string_view(reinterpret_cast<char*>(out.data()), kRandom.size()), kRandom);
  EXPECT_EQ(freed.found(), 0u);
}

TEST(Zeroing, OfInputThatHasBeenDealtWith) {
  const FreedMemory freed({kLong, kShort});
  server::InputBuffer input;
  input.append(kLong);
  input.append(kShort);
  const char* const data = input.view().data();
  input.consume(kLong.size());
  EXPECT_TRUE(all_zero(data, kLong.size()));
  EXPECT_EQ(input.view(), kShort);
  for (int i = 0; i < 1000; ++i)
    input.append(kLong);  // it grows
  EXPECT_EQ(freed.found(), 0u);
  input.consume(input.size() - 20);
  input.release();
  input.append(kLong);
  input.consume(input.size());
  {
    server::InputBuffer abandoned;
    abandoned.append(kLong);
  }
  EXPECT_EQ(freed.found(), 0u);
}

TEST(Zeroing, OfRepliesThatHaveBeenSent) {
  const FreedMemory freed({kLong, kShort});
  {
    server::ChunkPool pool;
    server::OutputChain chain(&pool);
    for (int i = 0; i < 100; ++i)
      chain.append(kLong);
    server::OutputChain slot;
    slot.append(kShort);
    chain.splice(std::move(slot));
    chain.append_value(Entry::make(std::size_t{server::kReferencedValueBytes}));
    chain.append(kShort);
    chain.consume(chain.bytes());
    ZeroizingString chunk = pool.take();
    ASSERT_GE(chunk.capacity(), 100 * kLong.size());
    EXPECT_TRUE(all_zero(chunk.data(), 100 * kLong.size()));
  }
  EXPECT_EQ(freed.found(), 0u);
}

TEST(Zeroing, OfInlineCommands) {
  const FreedMemory freed({kLong, kShort});
  constexpr std::string_view kLine = "SET \"lazy dog 4711\" \"the quick brown fox jumps over\"\r\n";
  server::RequestParser parser({});
  ASSERT_EQ(parser.parse(kLine), server::RequestParser::Status::kRequest);
  ASSERT_EQ(parser.arguments(kLine)[1], kShort);
  parser.next();
  EXPECT_EQ(freed.found(), 0u);
}

}  // namespace
}  // namespace kachel
