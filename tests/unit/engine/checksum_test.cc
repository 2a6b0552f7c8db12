#include "engine/format/checksum.h"

#include <gtest/gtest.h>
#include <set>

#include "format_testing.h"

namespace kachel::format {
namespace {

TEST(Checksum, IsXxh3) {
  EXPECT_EQ(checksum({}, 0), 0x2d06800538d394c2);  // the empty input, as xxHash documents it
}

TEST(Checksum, OfTwoPiecesIsThatOfBothTogether) {
  Random random(1);
  for (const std::size_t size : {0U, 1U, 32U, 240U, 241U, 511U, 512U, 513U, 1024U, 5000U}) {
    const Bytes bytes = some_bytes(random, size);
    for (const std::size_t first : {std::size_t{0}, std::min<std::size_t>(32, size), size}) {
      const std::span<const std::byte> all(bytes);
      EXPECT_EQ(checksum(all.first(first), all.subspan(first), 77), checksum(all, 77)) << size;
    }
  }
}

TEST(Checksum, SeedsDifferByEveryPartOfThePlace) {
  const std::set<std::uint64_t> seeds{
      checksum_seed({test_store(), 1, 0}), checksum_seed({test_store(), 1, 8}),
      checksum_seed({test_store(), 2, 0}), checksum_seed({test_store(), 0, 1}),
      checksum_seed({test_store(1), 1, 0})};
  EXPECT_EQ(seeds.size(), 5u);
}

}  // namespace
}  // namespace kachel::format
