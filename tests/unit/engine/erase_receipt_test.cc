// Erases that leave a receipt: what the audit log says of them, and what a receipt proves.
#include <algorithm>
#include <boost/json.hpp>

#include "engine/audit/files.h"
#include "engine/audit/receipt.h"
#include "engine/audit/verify_all.h"
#include "io/faulty_storage.h"
#include "store_world.h"

namespace kachel {
namespace {

using std::chrono::seconds;

Options quick_options() {
  Options options = StoreWorld::small_options();
  options.erase_within = seconds(60);
  return options;
}

class EraseReceipt : public testing::Test {
 protected:
  EraseReceipt() : world(quick_options()) {}

  static EraseRequest of_subject(std::string subject, std::string reason = "") {
    EraseRequest request;
    request.names.push_back(std::move(subject));
    request.reason = std::move(reason);
    return request;
  }
  static EraseRequest of_keys(std::vector<std::string> keys) {
    EraseRequest request;
    request.kind = EraseKind::kKeys;
    request.names.assign(keys.begin(), keys.end());
    return request;
  }
  static EraseRequest of_tenant() {
    EraseRequest request;
    request.kind = EraseKind::kTenant;
    return request;
  }
  void put_about(const std::string& key, const std::string& value, const std::string& subject) {
    PutOptions options;
    options.metadata.subjects.push_back(subject);
    world.put(key, value, options);
  }

  Result<ReceiptId> try_erase(EraseRequest request) { return world.try_erase(std::move(request)); }
  ReceiptId erase(EraseRequest request) { return world.erase_for_good(std::move(request)); }
  std::optional<std::string> receipt(const ReceiptId& id) { return world.receipt(id); }
  audit::VerifiedReceipt verified(const ReceiptId& id) {
    const auto text = receipt(id);
    if (!text) {
      ADD_FAILURE() << "there is no receipt";
      return {};
    }
    const auto parsed = audit::parse_receipt(*text);
    const auto key = audit::parse_verifier_key(parsed->key);
    auto checked = audit::verify_receipt(*parsed, *key);
    EXPECT_TRUE(checked) << checked.error().message;
    return checked ? std::move(*checked) : audit::VerifiedReceipt{};
  }
  std::string state(const ReceiptId& id) {
    const auto text = receipt(id);
    return text ? audit::parse_receipt(*text)->state : "none";
  }
  bool comes_to(const ReceiptId& id, const std::string& wanted) {
    for (int i = 0; i < 1000; ++i) {
      if (state(id) == wanted) return true;
      world.advance(500);
    }
    return false;
  }
  audit::AuditFindings check_log() {
    const auto text = receipt(erase(of_subject("somebody else")));
    const auto origin = audit::parse_receipt(text.value())->log;
    return audit::verify_all(world.storage, {origin, {}, {}}).value();
  }

  StoreWorld world;
};

TEST_F(EraseReceipt, SaysWhatWasErasedAndWhenItIsGone) {
  for (int i = 0; i < 20; ++i)
    put_about("k" + std::to_string(i), "a value of canary-alice", "canary-alice");
  put_about("k0", "a second value of canary-alice", "canary-alice");
  put_about("other", "stays", "bob");
  const ReceiptId id = erase(of_subject("canary-alice", "case 17"));
  audit::VerifiedReceipt found = verified(id);
  EXPECT_EQ(found.erase.id, text_of(id));
  EXPECT_EQ(found.erase.scope, "subject");
  EXPECT_EQ(found.erase.reason, "case 17");
  EXPECT_EQ(found.erase.targets.size(), 1u);
  EXPECT_FALSE(found.erase.recovered);
  EXPECT_FALSE(found.reclaim);
  ASSERT_TRUE(comes_to(id, "reclaimed"));
  found = verified(id);
  ASSERT_TRUE(found.reclaim);
  EXPECT_EQ(found.reclaim->entries, 20u);
  EXPECT_EQ(found.reclaim->hot_entries, 20u);
  EXPECT_EQ(found.reclaim->copies, 21u);
  EXPECT_GT(found.reclaim->copy_bytes, 21u * 40);
  EXPECT_FALSE(found.reclaim->segments.empty());
  EXPECT_EQ(found.reclaim->fenced_ms, found.erase.time_ms);
  EXPECT_LE(found.reclaim->time_ms, found.reclaim->deadline_ms);
  EXPECT_FALSE(world.is_on_disk("canary-alice"));
  EXPECT_EQ(world.get("other"), "stays");
  EXPECT_TRUE(check_log().is_clean());
}

TEST_F(EraseReceipt, SurvivesAKillAndAPowerCut) {
  put_about("a", "1", "alice");
  const ReceiptId id = erase(of_subject("alice"));
  world.kill();
  EXPECT_EQ(verified(id).erase.id, text_of(id));
  world.power_cut();
  EXPECT_EQ(verified(id).erase.id, text_of(id));
  ASSERT_TRUE(comes_to(id, "reclaimed"));
  world.power_cut();
  EXPECT_EQ(state(id), "reclaimed");
  EXPECT_TRUE(verified(id).reclaim);
  // Its fence came back with the index, which may have brought rows along.
  for (int i = 0; i < 200 && !world.store->pending_erasures().empty(); ++i)
    world.advance(500);
  EXPECT_TRUE(world.store->pending_erasures().empty());
}

TEST_F(EraseReceipt, OfKeysTakesThemAndTheirOlderCopies) {
  world.put("k1", "the first value of canary-1");
  world.put("k1", "the second value of canary-1");
  world.put("k2", "a value of canary-2");
  world.put("other", "stays");
  const ReceiptId id = erase(of_keys({"k1", "k2", "never-there"}));
  EXPECT_FALSE(world.get("k1"));
  EXPECT_FALSE(world.get("k2"));
  const audit::EraseEvent event = verified(id).erase;
  EXPECT_EQ(event.scope, "keys");
  EXPECT_EQ(event.targets.size(), 3u);
  EXPECT_EQ(event.entries, 2u);
  world.kill();
  ASSERT_TRUE(comes_to(id, "reclaimed"));
  EXPECT_EQ(verified(id).reclaim->copies, 3u);
  EXPECT_FALSE(world.is_on_disk("canary"));
  EXPECT_EQ(world.get("other"), "stays");
  world.put("k1", "again");
  world.kill();
  EXPECT_EQ(world.get("k1"), "again");
}

TEST_F(EraseReceipt, OfATenantTakesAllDatabasesAndNoOtherTenant) {
  world.put("a", "a value of canary-0");
  world.space = {0, 3};
  world.put("b", "a value of canary-3");
  world.space = {1, 0};
  world.put("c", "stays");
  const ReceiptId id = erase(of_tenant());
  EXPECT_EQ(world.get("c"), "stays");
  world.space = {0, 3};
  EXPECT_FALSE(world.get("b"));
  EXPECT_EQ(verified(id).erase.entries, 2u);
  world.put("b", "new");
  world.kill();
  ASSERT_TRUE(comes_to(id, "reclaimed"));
  EXPECT_FALSE(world.is_on_disk("canary"));
  EXPECT_EQ(world.get("b"), "new");
  world.space = {1, 0};
  EXPECT_EQ(world.get("c"), "stays");
}

TEST_F(EraseReceipt, TheSameRequestTwiceIsOneErase) {
  put_about("a", "1", "alice");
  EraseRequest request = of_subject("alice");
  request.id = parse_receipt_id("6BA7B810-9dad-41d1-80b4-00c04fd430c8");
  EXPECT_EQ(erase(request), *request.id);
  put_about("a", "2", "alice");
  EXPECT_EQ(erase(request), *request.id);
  EXPECT_EQ(world.get("a"), "2") << "it was erased again";
  world.kill();
  EXPECT_EQ(erase(request), *request.id);
  EXPECT_EQ(world.get("a"), "2");
  EraseRequest other = of_subject("bob");
  other.id = request.id;
  EXPECT_EQ(try_erase(other).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(EraseReceipt, TheSameRequestAtOnceIsOneErase) {
  put_about("a", "1", "alice");
  EraseRequest request = of_subject("alice");
  request.id = make_receipt_id(world.random);
  int answers = 0;
  for (int i = 0; i < 3; ++i) {
    world.worker->request_erase(request, [&](Result<ReceiptId> id) {
      EXPECT_EQ(id.value(), *request.id);
      ++answers;
    });
  }
  world.settle([&] { return answers == 3; });
  EXPECT_EQ(answers, 3);
  EXPECT_EQ(world.store->stats().audit_entries, 1u);
}

TEST_F(EraseReceipt, AnErasedScopeThatIsErasedAgainHasTwoReceipts) {
  put_about("a", "1", "alice");
  const ReceiptId first = erase(of_subject("alice"));
  put_about("a", "2", "alice");
  const ReceiptId second = erase(of_subject("alice"));
  world.kill();
  EXPECT_NE(state(first), "none");
  EXPECT_TRUE(comes_to(first, "reclaimed"));
  EXPECT_TRUE(comes_to(second, "reclaimed"));
  EXPECT_FALSE(world.get("a"));
}

TEST_F(EraseReceipt, AReasonMustNotKeepTheName) {
  put_about("a", "1", "alice@example.org");
  const auto refused = try_erase(of_subject("alice@example.org", "asked by alice@example.org"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(world.get("a"), "1");
  EXPECT_FALSE(try_erase(of_subject("x", std::string(600, 'r'))));
  EXPECT_FALSE(try_erase(of_subject("x", "two\nlines")));
  EXPECT_TRUE(try_erase(of_subject("1", "case 17")));
  EXPECT_FALSE(try_erase(of_subject("1", "case 1")));
}

TEST_F(EraseReceipt, IsUnknownForWhatNobodyErased) {
  EXPECT_FALSE(receipt(make_receipt_id(world.random)));
  erase(of_subject("alice"));
  EXPECT_FALSE(receipt(make_receipt_id(world.random)));
}

TEST_F(EraseReceipt, NothingIsErasedWhenTheLogCannotBeOpened) {
  put_about("a", "1", "alice");
  erase(of_subject("nobody"));
  world.drop();
  ASSERT_TRUE(world.storage.remove("audit/tail"));
  world.open();
  const auto refused = try_erase(of_subject("alice"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(world.get("a"), "1");
  EXPECT_EQ(world.erase("a"), EraseOutcome::kErased) << "a plain erase goes on";
  EXPECT_FALSE(world.store->stats().audit_error.empty());
}

TEST_F(EraseReceipt, AFenceThatTheLogDoesNotKnowIsRecordedByTheNextStart) {
  put_about("a", "1", "alice");
  erase(of_subject("alice"));
  world.drop();
  ASSERT_TRUE(world.storage.remove_tree("audit"));  // as if it had not come to the first entry
  world.open();
  world.advance(2000);
  ASSERT_EQ(world.store->pending_erasures().size(), 1u);
  const ReceiptId id = world.store->pending_erasures()[0].id;
  EXPECT_TRUE(verified(id).erase.recovered);
  EXPECT_TRUE(comes_to(id, "reclaimed"));
}

TEST_F(EraseReceipt, TheLogIsSignedWithoutBeingAsked) {
  const auto last_checkpoint = [&] {
    return audit::read_file(world.storage, "audit/checkpoint", 4096).value();
  };
  erase(of_subject("alice"));
  const std::string before = last_checkpoint();
  EXPECT_NE(before.find("\n0\n"), std::string::npos) << "an empty log";
  world.advance(61'000);
  EXPECT_NE(last_checkpoint(), before);
  erase(of_subject("bob"));
  const std::string between = last_checkpoint();
  ASSERT_TRUE(world.close());
  EXPECT_NE(last_checkpoint(), between);
  world.open();
}

TEST_F(EraseReceipt, PoliciesAreRecordedWhenTheyChange) {
  world.store->record_policies({});
  world.advance(100);
  EXPECT_EQ(world.store->stats().audit_entries, 0u);
  EXPECT_FALSE(world.storage.exists("audit").value());
  world.store->record_policies({{"default", "ttl_max 24h"}});
  world.store->record_policies({{"default", "ttl_max 24h"}});
  world.advance(100);
  EXPECT_EQ(world.store->stats().audit_entries, 1u);
  world.kill();
  world.store->record_policies({{"default", "ttl_max 24h"}});
  world.advance(100);
  EXPECT_EQ(world.store->stats().audit_entries, 1u);
  world.store->record_policies({});
  world.advance(100);
  EXPECT_EQ(world.store->stats().audit_entries, 2u);
  EXPECT_TRUE(check_log().is_clean());
}

TEST_F(EraseReceipt, NoOtherReceiptPassesForIt) {
  put_about("a", "1", "alice");
  const ReceiptId id = erase(of_subject("alice"));
  ASSERT_TRUE(comes_to(id, "reclaimed"));
  const std::string text = receipt(id).value();
  const auto whole = audit::parse_receipt(text).value();
  const auto key = audit::parse_verifier_key(whole.key).value();
  ASSERT_TRUE(audit::verify_receipt(whole, key));

  audit::Receipt bent = whole;
  bent.events.pop_back();
  EXPECT_FALSE(audit::verify_receipt(bent, key)) << "reclaimed, and no event says so";
  bent.state = "swept";
  EXPECT_TRUE(audit::verify_receipt(bent, key)) << "an earlier receipt stays true";
  bent.events.clear();
  EXPECT_FALSE(audit::verify_receipt(bent, key));
  bent = whole;
  bent.id = text_of(make_receipt_id(world.random));
  EXPECT_FALSE(audit::verify_receipt(bent, key));
  bent = whole;
  std::string& leaf = bent.events[1].leaf;
  leaf.replace(leaf.find("\"copies\":1"), 10, "\"copies\":2");
  EXPECT_FALSE(audit::verify_receipt(bent, key));
  // Indented by somebody's tool it still says the same.
  boost::json::value json = boost::json::parse(text);
  std::string spaced;
  for (const char byte : boost::json::serialize(json)) {
    spaced += byte;
    if (byte == ',' && spaced.find("\"proof\"") == std::string::npos) spaced += "\n ";
  }
  EXPECT_TRUE(audit::verify_receipt(audit::parse_receipt(spaced).value(), key));
  for (std::size_t at = 0; at < text.size(); at += 7) {
    std::string changed = text;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    const auto parsed = audit::parse_receipt(changed);
    if (parsed && audit::verify_receipt(*parsed, key)) {
      // What is left may only be said differently.
      EXPECT_EQ(parsed->id, whole.id) << at;
      EXPECT_EQ(parsed->state == "reclaimed", true) << at;
    }
  }
}

}  // namespace
}  // namespace kachel
