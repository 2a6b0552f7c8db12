// Random histories on the index in memory, every seed the same each time.
#include "store_history.h"

namespace kachel {
namespace {

class RandomHistory : public testing::TestWithParam<Durability> {};

TEST_P(RandomHistory, IsAPrefixAfterEveryCrash) {
  const std::uint64_t first = number_from("KACHEL_FIRST_SEED", 1);
  const std::uint64_t seeds = number_from("KACHEL_SEEDS", 120);
  for (std::uint64_t seed = first; seed < first + seeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    StoreHistory(seed, GetParam()).run();
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, RandomHistory,
                         testing::Values(Durability::kRelaxed, Durability::kGroup,
                                         Durability::kStrict),
                         [](const auto& mode) { return durability_name(mode.param); });

}  // namespace
}  // namespace kachel
