#include "engine/format/bytes.h"

#include <gtest/gtest.h>

#include "format_testing.h"

namespace kachel::format {
namespace {

Bytes varint_of(std::uint64_t value) {
  Bytes bytes(kMaxVarintBytes);
  bytes.resize(store_varint(bytes.data(), value));
  return bytes;
}

Bytes raw(std::initializer_list<unsigned> values) {
  Bytes bytes;
  for (const unsigned value : values)
    bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

TEST(Varint, EveryWidthComesBack) {
  for (unsigned shift = 0; shift < 64; ++shift) {
    for (const std::uint64_t value :
         {(std::uint64_t{1} << shift) - 1, std::uint64_t{1} << shift, UINT64_MAX >> shift}) {
      const Bytes bytes = varint_of(value);
      EXPECT_EQ(bytes.size(), varint_bytes(value));
      Reader reader(bytes);
      EXPECT_EQ(reader.varint(), value);
      EXPECT_TRUE(reader.finished());
    }
  }
}

TEST(Varint, OnlyTheShortestFormIsAccepted) {
  for (const Bytes& bytes : {raw({0x80, 0x00}), raw({0xff, 0x80, 0x00}),
                             raw({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00})}) {
    Reader reader(bytes);
    EXPECT_EQ(reader.varint(), 0u);
    EXPECT_FALSE(reader.ok());
  }
}

TEST(Varint, MoreThan64BitsAreRefused) {
  Bytes bytes = varint_of(UINT64_MAX);
  bytes.back() = std::byte{2};
  Reader too_wide(bytes);
  too_wide.varint();
  EXPECT_FALSE(too_wide.ok());
  const Bytes endless(11, std::byte{0x80});
  Reader reader(endless);
  reader.varint();
  EXPECT_FALSE(reader.ok());
}

TEST(Varint, ACutOffOneIsRefused) {
  const Bytes bytes = varint_of(UINT64_MAX);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    Reader reader(cut);
    reader.varint();
    EXPECT_FALSE(reader.ok());
  }
}

TEST(Zigzag, SignsComeBackAndSmallNumbersStaySmall) {
  for (const std::int64_t value : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1},
                                   std::int64_t{-64}, INT64_MAX, INT64_MIN}) {
    EXPECT_EQ(unzigzag(zigzag(value)), value);
  }
  EXPECT_EQ(varint_bytes(zigzag(-64)), 1u);
}

TEST(Reader, FailureIsForGood) {
  const Bytes bytes(4);
  Reader reader(bytes);
  EXPECT_EQ(reader.u64(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.remaining(), 0u);
  EXPECT_TRUE(reader.text(1).empty());
  EXPECT_FALSE(reader.finished());
}

TEST(Reader, ACountBeyondTheEndTakesNothing) {
  const Bytes bytes(4);
  Reader reader(bytes);
  EXPECT_TRUE(reader.bytes(UINT64_MAX).empty());
  EXPECT_FALSE(reader.ok());
}

TEST(Sinks, AgreeOnSizeAndBytes) {
  const auto write = [](auto& sink) {
    sink.u8(7);
    sink.u64(0x0102030405060708);
    sink.varint(300);
    sink.bytes(as_bytes("text"));
  };
  SizeSink measure;
  write(measure);
  Bytes appended;
  VectorSink vector_sink(appended);
  write(vector_sink);
  Bytes placed(measure.size());
  PointerSink pointer_sink(placed.data());
  write(pointer_sink);
  EXPECT_EQ(hex(appended), "070807060504030201ac0274657874");
  EXPECT_EQ(placed, appended);
  EXPECT_EQ(pointer_sink.position(), placed.data() + placed.size());
}

}  // namespace
}  // namespace kachel::format
