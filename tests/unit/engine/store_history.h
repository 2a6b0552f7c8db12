// A random history of a store against a model, with kills, power cuts, torn writes and lost
// indexes in between. After each the store must be what it was after some prefix of the history,
// and no shorter a prefix than was promised: invariants 1, 3, 4, 8 and 13 of the design.
//
// Operations run one after the other, so the model is exact: the list of states after each.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "store_world.h"
#include "tests/seeds.h"

namespace kachel {

class StoreHistory {
 public:
  StoreHistory(std::uint64_t seed, Durability durability,
               StoreWorld::MakeHome make_home = StoreWorld::memory_home)
      : random_(seed), world_(options(durability), seed, make_home) {}
  virtual ~StoreHistory() = default;

  void run() {
    for (int step = 0; step < kSteps && !testing::Test::HasFailure(); ++step)
      act();
  }

 protected:
  static constexpr int kKeys = 12;
  static constexpr int kSteps = 160;

  struct Value {
    std::string text;
    std::int64_t expires_at_ms = 0;
    friend bool operator==(const Value&, const Value&) = default;
  };
  using State = std::map<std::string, Value>;

  static Options options(Durability durability) {
    Options options = StoreWorld::small_options();
    options.durability = durability;
    options.capacity_bytes = 1024 * kMiB;  // nothing is evicted: then the model is exact
    options.segment_bytes = 64 * 1024;     // and segments fill, seal and are dropped often
    return options;
  }

  std::uint64_t below(std::uint64_t n) { return random_.next() % n; }
  std::string key() { return "key" + std::to_string(below(kKeys)); }

  virtual void act() {
    const std::uint64_t choice = below(100);
    if (choice < 45) return put();
    if (choice < 57) return erase();
    if (choice < 65) return expire();
    if (choice < 66) return erase_all();
    if (choice < 82) return read(key());
    if (choice < 90) return world_.advance(static_cast<std::int64_t>(below(3000)));
    if (choice < 91) return world_.advance(static_cast<std::int64_t>(below(100'000)));
    crash(choice);
  }

  void put() {
    const std::string name = key();
    const std::int64_t lifetimes_ms[] = {0, 0, 2'000, 20'000, 200'000};
    const std::int64_t lifetime = lifetimes_ms[below(5)];
    Value value{some_text(random_.next(), below(3) == 0 ? 9000 : 300),
                lifetime == 0 ? 0 : world_.clock.wall_ms() + lifetime};
    PutOptions options;
    options.expires_at_ms = value.expires_at_ms;
    ASSERT_EQ(world_.put(name, value.text, options), PutOutcome::kStored);
    State state = now();
    state[name] = value;
    trace("put " + name + " until " + std::to_string(value.expires_at_ms));
    push(std::move(state), world_.options.durability == Durability::kStrict);
  }

  void erase() {
    const std::string name = key();
    const bool here = alive(now(), name);
    ASSERT_EQ(world_.erase(name), here ? EraseOutcome::kErased : EraseOutcome::kAbsent) << name;
    if (!here) return;
    State state = now();
    state.erase(name);
    trace("erase " + name);
    push(std::move(state), true);
  }

  void expire() {
    const std::string name = key();
    const bool here = alive(now(), name);
    const std::int64_t at = world_.clock.wall_ms() + 1 + static_cast<std::int64_t>(below(60'000));
    ASSERT_EQ(world_.expire(name, {at, {}, {}}),
              here ? ExpiryOutcome::kChanged : ExpiryOutcome::kAbsent);
    if (!here) return;
    State state = now();
    state[name].expires_at_ms = at;
    trace("expire " + name + " at " + std::to_string(at));
    push(std::move(state), world_.options.durability == Durability::kStrict);
  }

  void erase_all() {
    ASSERT_TRUE(world_.erase_all());
    trace("erase all");
    push({}, true);
  }

  enum class Ending { kKill, kPowerCut, kTornPowerCut };

  void crash(std::uint64_t choice) {
    const bool index_lost = below(3) == 0;
    const Ending ending = choice < 94   ? Ending::kKill
                          : choice < 97 ? Ending::kPowerCut
                                        : Ending::kTornPowerCut;
    end(ending);
    if (index_lost) world_.lose_index();
    trace(std::string(name_of(ending)) + (index_lost ? ", index lost" : ""));
    restart(ending);
  }

  void end(Ending ending) {
    world_.drop();
    if (ending == Ending::kKill) return;
    if (ending == Ending::kPowerCut) world_.storage.crash();
    if (ending == Ending::kTornPowerCut) {
      io::KeepAtRandom outcome(random_);
      world_.storage.crash(outcome);
    }
    world_.boot_id[0] = world_.boot_id[0] == '1' ? '2' : '1';
  }
  virtual void open() { world_.open(); }
  void restart(Ending ending) {
    open();
    if (testing::Test::HasFailure()) return;
    const bool all = ending == Ending::kKill && world_.options.durability != Durability::kRelaxed;
    check_prefix(all ? states_.size() - 1 : durable_, name_of(ending));
  }
  static const char* name_of(Ending ending) {
    return ending == Ending::kKill       ? "kill"
           : ending == Ending::kPowerCut ? "power cut"
                                         : "torn power cut";
  }

  /// The store equals the state after some operation, `at_least` or later.
  void check_prefix(std::size_t at_least, const char* what) {
    State seen;
    for (int i = 0; i < kKeys; ++i) {
      const std::string name = "key" + std::to_string(i);
      if (const auto found = world_.find(name)) {
        seen[name] = {std::string(found->entry->value()), found->expires_at_ms};
      }
    }
    for (std::size_t p = states_.size(); p-- > at_least;) {
      if (living(states_[p]) != seen) continue;
      states_.resize(p + 1);
      trace("is state " + std::to_string(p) + "; " + describe(world_.store->stats().start));
      durable_ = p;  // what a start has seen is durable: it is sealed
      ASSERT_EQ(world_.store->count({}) >= seen.size(), true);
      return;
    }
    ADD_FAILURE() << "after a " << what << " the store is no prefix: " << seen.size()
                  << " entries, expected " << living(now()).size() << " or a prefix of "
                  << states_.size() << " states from " << at_least << "; "
                  << describe(world_.store->stats().start);
  }

  static std::string describe(const StartStats& start) {
    return "replayed " + std::to_string(start.replayed_records) + ", voided " +
           std::to_string(start.voided_records) + ", damaged " +
           std::to_string(start.damaged_records) + (start.index_rebuilt ? ", rebuilt" : "");
  }

  void read(const std::string& name) {
    const auto value = world_.get(name);
    if (!alive(now(), name)) {
      ASSERT_FALSE(value) << name;
    } else {
      ASSERT_EQ(value, now().at(name).text) << name;
    }
  }

  /// KACHEL_TRACE=1 tells what a seed does.
  void trace(const std::string& what) const {
    static const bool wanted = std::getenv("KACHEL_TRACE") != nullptr;
    if (!wanted) return;
    std::fprintf(stderr, "%lld %s -> state %zu\n", static_cast<long long>(world_.clock.wall_ms()),
                 what.c_str(), states_.size());
  }

  const State& now() const { return states_.back(); }
  void push(State state, bool durable) {
    states_.push_back(std::move(state));
    if (durable) durable_ = states_.size() - 1;
  }
  bool alive(const State& state, const std::string& name) const {
    const auto found = state.find(name);
    if (found == state.end()) return false;
    return found->second.expires_at_ms == 0 || found->second.expires_at_ms > world_.clock.wall_ms();
  }
  State living(const State& state) const {
    State living;
    for (const auto& [name, value] : state) {
      if (alive(state, name)) living[name] = value;
    }
    return living;
  }

  io::SeededRandom random_;
  StoreWorld world_;
  std::vector<State> states_{State{}};
  std::size_t durable_ = 0;
};

inline std::string durability_name(Durability durability) {
  switch (durability) {
    case Durability::kRelaxed:
      return "Relaxed";
    case Durability::kGroup:
      return "Group";
    case Durability::kStrict:
      return "Strict";
  }
  return "Unknown";
}

}  // namespace kachel
