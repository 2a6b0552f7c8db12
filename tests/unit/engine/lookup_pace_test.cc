// Who waits for the index on its own thread, and who has another one wait.
#include "engine/lookup_pace.h"

#include "store_world.h"
#include "tests/simulator/forwarding_index.h"

namespace kachel {
namespace {

constexpr std::int64_t kQuickNs = 10'000;
constexpr std::int64_t kSlowNs = 100'000;
constexpr int kMany = 500;

TEST(LookupPace, IsSlowUntilShownToBeQuick) {
  LookupPace pace;
  EXPECT_FALSE(pace.is_quick());
  for (int i = 0; i < 10; ++i)
    pace.note(kQuickNs);
  EXPECT_FALSE(pace.is_quick()) << "that may be chance";
  for (int i = 0; i < kMany; ++i)
    pace.note(kQuickNs);
  EXPECT_TRUE(pace.is_quick());
  for (int i = 0; i < kMany; ++i)
    pace.note(kSlowNs);
  EXPECT_FALSE(pace.is_quick());
}

TEST(LookupPace, OneThatHadToWaitForItsTurnIsNoRule) {
  LookupPace pace;
  for (int i = 0; i < kMany; ++i)
    pace.note(0);
  pace.note(1'000'000'000);
  EXPECT_TRUE(pace.is_quick());
  pace.note(1'000'000'000);
  EXPECT_FALSE(pace.is_quick()) << "two are one";
}

/// One whose memory never knows, and that takes its time.
class ForgetfulIndex final : public sim::ForwardingIndex {
 public:
  ForgetfulIndex(std::unique_ptr<Index> index, io::ManualClock& clock, const std::int64_t& takes_ms)
      : ForwardingIndex(std::move(index)), clock_(clock), takes_ms_(takes_ms) {}
  Lookup find(const RowKey& key, Where where) const override {
    if (where == Where::kMemory) return {LookupStatus::kNeedsDisk, {}};
    clock_.advance_ms(takes_ms_);
    return ForwardingIndex::find(key, where);
  }

 private:
  io::ManualClock& clock_;
  const std::int64_t& takes_ms_;
};

TEST(LookupPace, DecidesWhereReadsAndDecisionsWait) {
  StoreWorld world;
  std::int64_t takes_ms = 0;
  world.index_factory = [&](const IndexRequest& request) -> Result<std::unique_ptr<Index>> {
    auto index = world.index->begin()(request);
    if (!index) return index.error();
    return std::unique_ptr<Index>(
        std::make_unique<ForgetfulIndex>(std::move(*index), world.clock, takes_ms));
  };
  world.kill();
  PutOptions unless_there;
  unless_there.condition = Condition::kIfAbsent;
  const auto look_up = [&](int times) {
    const std::uint64_t before = world.store->stats().index_pool_lookups;
    for (int i = 0; i < times; ++i) {
      EXPECT_FALSE(world.get("nothing" + std::to_string(i)));
      world.put("something", "value");
      world.advance(100);
      EXPECT_EQ(world.put("something", "another", unless_there), PutOutcome::kConditionFailed);
    }
    return world.store->stats().index_pool_lookups - before;
  };
  EXPECT_GT(look_up(kMany), 0U);
  EXPECT_EQ(look_up(kMany), 0U) << "it has answered at once so often";
  takes_ms = 1;
  EXPECT_GT(look_up(20), 10U);
  EXPECT_EQ(world.get("something"), "value");
}

}  // namespace
}  // namespace kachel
