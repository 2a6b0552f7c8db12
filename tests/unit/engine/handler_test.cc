// A handler belongs to its loop's thread: what a pool's thread still has of the work that led to
// the answer must not have a share in it.
#include "engine/field_key.h"
#include "store_world.h"

namespace kachel {
namespace {

class Handlers : public testing::Test {
 protected:
  Handlers() {
    world.keeps_work = true;
    EXPECT_EQ(world.put("large", some_text(1, 3 * kMiB)), PutOutcome::kStored);
    EXPECT_EQ(world.put("about anna", "v", about({ZeroizingString("anna")})), PutOutcome::kStored);
    world.space = fields_of(world.space);
    EXPECT_EQ(world.put(field_key("hash", "field"), "v"), PutOutcome::kStored);
    world.space = {};
    world.kill();  // and is cold
  }

  /// Nothing has a share in the handler once it has run, though the pool lets go of nothing.
  template <typename T, typename Begin>
  void expect_gone_once_run(const char* what, Begin begin) {
    SCOPED_TRACE(what);
    const auto share = std::make_shared<int>();
    std::optional<bool> succeeded;
    begin([share, &succeeded](Result<T> done) { succeeded = done.has_value(); });
    world.settle([&] { return succeeded.has_value(); });
    EXPECT_EQ(succeeded, true);
    EXPECT_EQ(share.use_count(), 1);
  }

  StoreWorld world;
  const Namespace space{};
};

TEST_F(Handlers, AreNotSharedWithThePool) {
  Worker& worker = *world.worker;
  expect_gone_once_run<std::optional<Found>>(
      "get", [&](auto done) { worker.get(space, "large", std::move(done)); });
  expect_gone_once_run<PutOutcome>("put", [&](auto done) {
    EXPECT_FALSE(worker.put(space, "as large", some_text(2, 3 * kMiB), {}, std::move(done)));
  });
  expect_gone_once_run<ScanPage>("scan",
                                 [&](auto done) { worker.scan(space, 0, 10, std::move(done)); });
  expect_gone_once_run<std::optional<Glimpse>>(
      "glimpse_hash", [&](auto done) { worker.glimpse_hash(space, "hash", std::move(done)); });
  expect_gone_once_run<FieldPage>("list_fields", [&](auto done) {
    worker.list_fields(space, "hash", 0, 10, Texts::kRead, std::move(done));
  });
  expect_gone_once_run<ScanPage>("scan_hashes", [&](auto done) {
    worker.scan_hashes(space, 0, 10, Texts::kRead, std::move(done));
  });
  expect_gone_once_run<HoldId>("place_hold", [&](auto done) {
    worker.place_hold({space.tenant, ZeroizingString("anna"), "case 1"}, std::move(done));
  });
  expect_gone_once_run<std::vector<HoldInfo>>(
      "list_holds", [&](auto done) { worker.list_holds(space.tenant, std::move(done)); });
  const EraseRequest request = StoreWorld::erase_of("anna");
  expect_gone_once_run<ScopeCount>(
      "count_erase", [&](auto done) { worker.count_erase(request, std::move(done)); });
  const ReceiptId id = world.erase_for_good(request);
  expect_gone_once_run<std::optional<std::string>>(
      "receipt", [&](auto done) { worker.receipt(space.tenant, id, std::move(done)); });
}

}  // namespace
}  // namespace kachel
