// Fields of hashes: entries beside the strings that a hash's key lists.
#include <algorithm>
#include <set>

#include "engine/field_key.h"
#include "store_world.h"

namespace kachel {
namespace {

class HashFields : public testing::Test {
 protected:
  template <typename T, typename Begin>
  T ask(Begin begin) {
    std::optional<Result<T>> answer;
    begin([&](Result<T> done) { answer = std::move(done); });
    world.settle([&] { return answer.has_value(); });
    if (!answer || !*answer) {
      ADD_FAILURE() << (answer ? answer->error().message : "no answer");
      return {};
    }
    return std::move(**answer);
  }

  void put(const std::string& hash, const std::string& field, const std::string& value,
           PutOptions options = {}) {
    const Namespace strings = std::exchange(world.space, fields_of(world.space));
    EXPECT_EQ(world.put(field_key(hash, field), value, std::move(options)), PutOutcome::kStored);
    world.space = strings;
  }
  std::optional<std::string> get(const std::string& hash, const std::string& field) {
    const Namespace strings = std::exchange(world.space, fields_of(world.space));
    auto value = world.get(field_key(hash, field));
    world.space = strings;
    return value;
  }
  bool erase(const std::string& hash, const std::string& field) {
    const Namespace strings = std::exchange(world.space, fields_of(world.space));
    const auto outcome = world.erase(field_key(hash, field));
    world.space = strings;
    return outcome == EraseOutcome::kErased;
  }
  bool flush() {
    const Namespace strings = std::exchange(world.space, fields_of(world.space));
    const bool flushed = world.erase_all();
    world.space = strings;
    return flushed;
  }

  /// Their names; each must come once.
  std::set<std::string> fields(const std::string& hash, std::size_t page = 100) {
    std::set<std::string> names;
    std::uint64_t cursor = 0;
    do {
      const auto got = ask<FieldPage>([&](auto done) {
        world.worker->list_fields(world.space, hash, cursor, page, Texts::kRead, std::move(done));
      });
      EXPECT_LE(got.fields.size(), page);
      for (const HashField& field : got.fields)
        EXPECT_TRUE(names.insert(std::string(field.name)).second) << field.name;
      cursor = got.cursor;
    } while (cursor != 0);
    return names;
  }
  std::multiset<std::string> hashes(std::size_t page = 100) {
    std::multiset<std::string> keys;
    std::uint64_t cursor = 0;
    do {
      const auto got = ask<ScanPage>([&](auto done) {
        world.worker->scan_hashes(world.space, cursor, page, Texts::kRead, std::move(done));
      });
      keys.insert(got.keys.begin(), got.keys.end());
      cursor = got.cursor;
    } while (cursor != 0);
    return keys;
  }
  std::optional<Glimpse> glimpse(const std::string& hash) {
    return ask<std::optional<Glimpse>>(
        [&](auto done) { world.worker->glimpse_hash(world.space, hash, std::move(done)); });
  }
  bool may_have_hashes() { return world.store->may_have_hashes(world.space); }
  ReceiptId erase_for_good(const std::string& hash, const std::set<std::string>& names) {
    EraseRequest request = StoreWorld::erase_of(hash, EraseKind::kKeys);
    for (const std::string& name : names)
      request.fields.push_back(field_key(hash, name));
    return world.erase_for_good(std::move(request));
  }

  static Options quick_options() {
    Options options = StoreWorld::small_options();
    options.erase_within = std::chrono::seconds(60);
    return options;
  }

  StoreWorld world{quick_options()};
};

TEST_F(HashFields, AreListedExactlyWhateverThePage) {
  std::set<std::string> expected;
  for (int i = 0; i < 50; ++i) {
    put("hash", "f" + std::to_string(i), "value");
    put("other", "g" + std::to_string(i), "value");
    expected.insert("f" + std::to_string(i));
  }
  world.put("hash", "a string of the same name");
  for (const std::size_t page : {1u, 7u, 50u, 1000u})
    EXPECT_EQ(fields("hash", page), expected) << page;
  EXPECT_TRUE(fields("has").empty());
  EXPECT_TRUE(fields("").empty());
}

TEST_F(HashFields, TheKeyAndTheFieldAreNotMixedUp) {
  put("ab", "c", "1");
  put("a", "bc", "2");
  put("", "abc", "3");
  put("abc", "", "4");
  EXPECT_EQ(get("ab", "c"), "1");
  EXPECT_EQ(get("a", "bc"), "2");
  EXPECT_EQ(get("", "abc"), "3");
  EXPECT_EQ(get("abc", ""), "4");
  EXPECT_EQ(fields("abc"), std::set<std::string>{""});
  EXPECT_EQ(fields(""), std::set<std::string>{"abc"});
}

TEST_F(HashFields, AHashIsThereWhileAFieldIs) {
  EXPECT_FALSE(may_have_hashes());
  EXPECT_FALSE(glimpse("hash"));
  put("hash", "f", "value");
  EXPECT_TRUE(may_have_hashes());
  EXPECT_TRUE(glimpse("hash"));
  EXPECT_FALSE(glimpse("other"));
  EXPECT_TRUE(erase("hash", "f"));
  EXPECT_FALSE(glimpse("hash"));
  world.run();
  EXPECT_FALSE(may_have_hashes());
  EXPECT_TRUE(fields("hash").empty());
}

TEST_F(HashFields, AGlimpseSeesWhatIsNotInTheIndexYet) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {  // whichever comes first
    StoreWorld any(quick_options(), seed);
    bool stored = false;
    std::optional<bool> seen;
    any.worker->put(fields_of(any.space), field_key("hash", "f"), "value", {},
                    [&](const Result<PutOutcome>&) { stored = true; });
    EXPECT_TRUE(any.store->may_have_hashes(any.space));
    any.worker->glimpse_hash(any.space, "hash", [&](const Result<std::optional<Glimpse>>& found) {
      seen = found && found->has_value();
    });
    any.settle([&] { return stored && seen; });
    EXPECT_EQ(seen, true) << "seed " << seed;
  }
}

TEST_F(HashFields, HashesAreScannedAsOneKeyEach) {
  for (int i = 0; i < 20; ++i) {
    for (int j = 0; j <= i; ++j)
      put("h" + std::to_string(i), "f" + std::to_string(j), "value");
  }
  for (const std::size_t page : {1u, 3u, 100u}) {
    const auto keys = hashes(page);
    EXPECT_EQ(keys.size(), 20u) << page;
    EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), 20u) << page;
  }
  EXPECT_TRUE(world.scan_all(100).empty()) << "they are no strings";
}

TEST_F(HashFields, SurviveAKillAndARebuildOfTheIndex) {
  const std::set<std::string> expected{"a", "b", "c"};
  for (const std::string& name : expected)
    put("hash", name, "value of " + name);
  world.kill();
  EXPECT_EQ(fields("hash"), expected);
  EXPECT_EQ(get("hash", "b"), "value of b");
  EXPECT_TRUE(world.close());
  world.lose_index();
  world.open();
  EXPECT_TRUE(may_have_hashes());
  EXPECT_EQ(fields("hash"), expected);
  EXPECT_EQ(get("hash", "c"), "value of c");
  EXPECT_EQ(hashes(), std::multiset<std::string>{"hash"});
}

TEST_F(HashFields, AFenceOfTheirNamespaceCoversThemAcrossAKill) {
  put("hash", "f", "value");
  world.put("string", "value");
  EXPECT_TRUE(flush());
  for (int start = 0; start < 2; ++start) {
    EXPECT_EQ(get("hash", "f"), std::nullopt);
    EXPECT_TRUE(fields("hash").empty());
    EXPECT_TRUE(hashes().empty());
    EXPECT_FALSE(glimpse("hash"));
    EXPECT_EQ(world.get("string"), "value");
    world.kill();
  }
}

TEST_F(HashFields, AnEraseOfTheTenantOrASubjectCoversThem) {
  put("hash", "f", "value", about({"alice"}));
  put("hash", "g", "value");
  world.erase_for_good(StoreWorld::erase_of("alice"));
  EXPECT_EQ(fields("hash"), std::set<std::string>{"g"});
  EraseRequest all;
  all.kind = EraseKind::kTenant;
  world.erase_for_good(std::move(all));
  EXPECT_TRUE(fields("hash").empty());
  world.kill();
  EXPECT_EQ(get("hash", "g"), std::nullopt);
}

TEST_F(HashFields, ExpiredOnesAreNotListed) {
  PutOptions soon;
  soon.expires_at_ms = world.clock.wall_ms() + 1000;
  put("hash", "f", "value", soon);
  put("hash", "g", "value");
  EXPECT_EQ(glimpse("hash").has_value(), true);
  world.advance(2000);
  EXPECT_EQ(fields("hash"), std::set<std::string>{"g"});
  EXPECT_EQ(glimpse("hash")->expires_at_ms, 0);
}

TEST_F(HashFields, AnEraseWithAReceiptTakesThemAlong) {
  const std::string secret = noise(3, 600);
  put("hash", "f", secret);
  put("hash", "g", "value");
  put("other", "f", "value");
  const ReceiptId id = erase_for_good("hash", {"f", "g"});
  EXPECT_TRUE(fields("hash").empty());
  EXPECT_EQ(fields("other"), std::set<std::string>{"f"});
  world.kill();
  EXPECT_EQ(get("hash", "f"), std::nullopt);
  const auto receipt = world.receipt(id);
  ASSERT_TRUE(receipt);
  EXPECT_NE(receipt->find("\"fields\":["), std::string::npos) << *receipt;
  for (int i = 0; i < 60 && world.is_on_disk(secret.substr(0, 64)); ++i)
    world.let_pass(std::chrono::seconds(5));
  EXPECT_FALSE(world.is_on_disk(secret.substr(0, 64)));
}

TEST_F(HashFields, AReceiptTakesSoManyAndSaysWhatElseToDo) {
  EraseRequest request = StoreWorld::erase_of("hash", EraseKind::kKeys);
  for (std::size_t i = 0; i < kMaxKeysErased; ++i)
    request.fields.push_back(field_key("hash", std::to_string(i)));
  const auto refused = world.try_erase(std::move(request));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("HDEL"), std::string::npos) << refused.error().message;
}

}  // namespace
}  // namespace kachel
