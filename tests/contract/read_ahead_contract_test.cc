// A ReadAhead shows what File::read_at() does, of files on every storage.
#include <algorithm>

#include "contract_test.h"
#include "io/faulty_storage.h"
#include "io/read_ahead.h"

namespace kachel::io {
namespace {

constexpr std::size_t kFileBytes = 9 * ReadAhead::kAheadBlockBytes + 12'345;

/// What read_at() hands over, asked for `step` bytes at a time.
std::vector<std::byte> read_in_steps(ReadAhead& ahead, std::uint64_t begin, std::uint64_t end,
                                     std::size_t step) {
  std::vector<std::byte> all;
  for (std::uint64_t at = begin; at < end; at += step) {
    std::vector<std::byte> piece(static_cast<std::size_t>(std::min<std::uint64_t>(step, end - at)));
    piece.resize(ahead.read_at(at, piece).value());
    all.insert(all.end(), piece.begin(), piece.end());
  }
  return all;
}

std::vector<std::byte> part(const std::vector<std::byte>& bytes, std::size_t begin,
                            std::size_t end) {
  return {bytes.begin() + static_cast<std::ptrdiff_t>(begin),
          bytes.begin() + static_cast<std::ptrdiff_t>(end)};
}

}  // namespace

TEST_P(ContractTest, ReadAheadReadsInOrder) {
  const auto content = pattern(kFileBytes);
  const auto file = create("a", content);
  ReadAhead ahead;
  for (const std::size_t step : {100'000U, 1U << 20, 3'000'001U}) {
    ahead.open(*file, 0, kFileBytes);
    EXPECT_TRUE(read_in_steps(ahead, 0, kFileBytes, step) == content) << step;
  }
}

TEST_P(ContractTest, ReadAheadBeginsAndEndsWhereItIsTold) {
  const auto content = pattern(kFileBytes);
  const auto file = create("a", content);
  ReadAhead ahead;
  ahead.open(*file, 4'000'001, 6'000'000);
  EXPECT_TRUE(read_in_steps(ahead, 4'000'001, 6'000'000, 500'000) ==
              part(content, 4'000'001, 6'000'000));
}

TEST_P(ContractTest, ReadAheadGoesOnAfterAGapAndBackwards) {
  const auto content = pattern(kFileBytes);
  const auto file = create("a", content);
  ReadAhead ahead;
  ahead.open(*file, 0, kFileBytes);
  for (const std::size_t at : {10U, 2'500'000U, 9'000'000U, 100U, 5'000'000U}) {
    EXPECT_TRUE(read_in_steps(ahead, at, at + 200'000, 200'000) == part(content, at, at + 200'000))
        << at;
  }
}

TEST_P(ContractTest, ReadAheadIsShortWhereTheFileIs) {
  const auto content = pattern(1'500'000);
  const auto file = create("a", content);
  ReadAhead ahead;
  ahead.open(*file, 0, 5'000'000);
  std::vector<std::byte> out(4'000'000);
  EXPECT_EQ(ahead.read_at(0, out).value(), 1'500'000U);
  EXPECT_EQ(ahead.read_at(1'500'000, out).value(), 0U);
  EXPECT_EQ(ahead.read_at(1'499'990, out).value(), 10U);
}

TEST_P(ContractTest, ReadAheadTakesOneFileAfterTheOther) {
  const auto one = pattern(kFileBytes, 1);
  const auto other = pattern(kFileBytes, 2);
  auto first = create("a", one);
  const auto second = create("b", other);
  ReadAhead ahead;
  ahead.open(*first, 0, kFileBytes);
  EXPECT_TRUE(read_in_steps(ahead, 0, 100, 100) == part(one, 0, 100));
  ahead.close();  // with reads in flight
  first.reset();
  ahead.open(*second, 0, kFileBytes);
  EXPECT_TRUE(read_in_steps(ahead, 0, kFileBytes, 700'000) == other);
}

TEST_P(ContractTest, ReadAheadSaysWhatCantBeRead) {
  FaultyStorage faulty(storage(), 1);
  create("a", pattern(kFileBytes));
  const auto file = faulty.open("a", OpenMode::kRead).value();
  ReadAhead ahead;
  faulty.inject({.op = FaultOp::kRead, .times = 0});
  ahead.open(*file, 0, kFileBytes);
  std::vector<std::byte> out(1000);
  const auto got = ahead.read_at(0, out);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ErrorCode::kIo);
}

}  // namespace kachel::io
