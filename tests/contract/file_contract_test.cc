// What every File promises about blocking writes and reads.
#include <algorithm>

#include "contract_test.h"

namespace kachel::io {

TEST_P(ContractTest, WritesAtOddOffsetsReadBack) {
  const auto file = create("a");
  std::vector<std::byte> expected(10'000);
  for (const std::size_t offset : {4095U, 1U, 7001U, 513U}) {
    const auto bytes = pattern(777, offset);
    write_bytes(*file, offset, bytes).value();
    std::copy(bytes.begin(), bytes.end(), expected.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  expected.resize(7001 + 777);
  EXPECT_EQ(file->size().value(), expected.size());
  EXPECT_EQ(read_bytes(*file, 0, 20'000), expected);
}

TEST_P(ContractTest, WriteTakesMorePartsThanOneSystemCall) {
  const auto file = create("a");
  auto content = pattern(3000 * 7);
  std::vector<iovec> parts;
  for (std::size_t i = 0; i < 3000; ++i) {
    parts.push_back({content.data() + i * 7, 7});
    if (i % 100 == 0) parts.push_back({nullptr, 0});
  }
  file->write_at(3, parts).value();
  EXPECT_EQ(read_bytes(*file, 3, content.size()), content);
}

TEST_P(ContractTest, EmptyWriteChangesNothing) {
  const auto file = create("a");
  EXPECT_TRUE(file->write_at(100, {}));
  EXPECT_TRUE(write_bytes(*file, 100, {}));
  EXPECT_EQ(file->size().value(), 0U);
}

TEST_P(ContractTest, BlockingReadIsShortOnlyAtTheEnd) {
  const auto file = create("a", pattern(1000));
  EXPECT_EQ(read_bytes(*file, 0, 1000).size(), 1000U);
  EXPECT_EQ(read_bytes(*file, 900, 1000).size(), 100U);
  EXPECT_EQ(read_bytes(*file, 1000, 10).size(), 0U);
  EXPECT_EQ(read_bytes(*file, 5000, 10).size(), 0U);
}

TEST_P(ContractTest, ReserveKeepsTheSize) {
  const auto file = create("a", pattern(5000));
  file->reserve(1 << 20).value();
  EXPECT_EQ(file->size().value(), 5000U);
  EXPECT_EQ(read(*file, 0, 8192).bytes, pattern(5000));
}

TEST_P(ContractTest, TruncateCutsAndExtendsWithZeros) {
  const auto file = create("a", pattern(5000));
  file->truncate(100).value();
  EXPECT_EQ(file->size().value(), 100U);
  file->truncate(200).value();
  auto expected = pattern(5000);
  expected.resize(100);
  expected.resize(200);
  EXPECT_EQ(read_bytes(*file, 0, 5000), expected);
}

TEST_P(ContractTest, FileOpenedToReadRefusesWrites) {
  create("a", pattern(10));
  const auto file = storage().open("a", OpenMode::kRead).value();
  EXPECT_FALSE(write_bytes(*file, 0, pattern(1)));
  EXPECT_FALSE(file->truncate(0));
  EXPECT_EQ(file->size().value(), 10U);
}

TEST_P(ContractTest, TwoHandlesSeeOneFile) {
  const auto writer = create("a");
  const auto reader = storage().open("a", OpenMode::kRead).value();
  write_bytes(*writer, 0, pattern(100)).value();
  EXPECT_EQ(read_bytes(*reader, 0, 200), pattern(100));
  writer->drop_cache(0, 4096);
  writer->prefetch(0, 1 << 20);  // past the end, too
  EXPECT_EQ(read_bytes(*reader, 0, 200), pattern(100));
}

TEST_P(ContractTest, SyncsSucceed) {
  const auto file = create("a", pattern(100));
  EXPECT_TRUE(file->sync());
  EXPECT_TRUE(storage().sync_directory(""));
  storage().create_directory("d").value();
  EXPECT_TRUE(storage().sync_directory("d"));
  EXPECT_EQ(storage().sync_directory("none").error().code, ErrorCode::kNotFound);
}

}  // namespace kachel::io
