// Leases: who computes, who waits and for how long, and which fills are refused.
#include <algorithm>
#include <filesystem>
#include <future>
#include <list>
#include <thread>

#include "engine/core.h"
#include "engine/kachel.h"
#include "io/asio_loop.h"
#include "store_world.h"
#include "tests/contract/temp_directory.h"

namespace kachel {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

/// What one caller has been told, and how often.
struct Caller {
  std::optional<LeaseAnswer> answer;
  int answers = 0;

  bool waits() const { return answers == 0; }
  LeaseToken token() const { return answer ? answer->token : 0; }
  std::string value() const {
    if (!answer || !answer->found) return "nothing";
    return std::string(answer->found->entry->value());
  }
  bool is_told_to_retry() const { return answer && !answer->found && answer->token == 0; }
};

class LeaseTest : public testing::Test {
 protected:
  explicit LeaseTest(Options options = StoreWorld::small_options()) : world(options) {}

  Caller& ask(std::string_view key, milliseconds ms = 1min) { return ask(*world.worker, key, ms); }
  Caller& ask(Worker& worker, std::string_view key, milliseconds ms) {
    Caller& caller = callers.emplace_back();
    worker.lease(world.space, key, ms, [&caller](Result<LeaseAnswer> answer) {
      EXPECT_TRUE(answer) << answer.error().message;
      if (answer) caller.answer = std::move(*answer);
      ++caller.answers;
    });
    world.run();
    return caller;
  }
  LeaseToken token_for(std::string_view key, milliseconds ms = 1min) {
    const LeaseToken token = ask(key, ms).token();
    EXPECT_NE(token, 0u) << key;
    return token;
  }
  PutOutcome fill(std::string_view key, LeaseToken token, PutOptions options = {}) {
    options.lease = token;
    return world.put(key, "filled", std::move(options));
  }
  void erase_scope(std::string_view text, EraseKind kind = EraseKind::kSubject) {
    world.erase_for_good(StoreWorld::erase_of(text, kind));
  }
  Stats stats() { return world.store->stats(); }
  /// Lets the eraser come to the end of all it has to do, the time of leases not yet over.
  bool all_let_go() {
    for (int i = 0; i < 200 && !world.store->pending_erasures().empty(); ++i)
      world.advance(500);
    return world.store->pending_erasures().empty();
  }

  StoreWorld world;
  std::list<Caller> callers;
};

// ---- who computes, who waits -----------------------------------------------------------------

TEST_F(LeaseTest, AHitIsAnsweredWithTheValue) {
  world.put("k", "value");
  EXPECT_EQ(ask("k").value(), "value");
  world.kill();
  EXPECT_EQ(ask("k").value(), "value") << "a cold one";
  EXPECT_EQ(stats().leases_granted, 0u);
}

TEST_F(LeaseTest, OfManyOneGetsTheTokenAndTheOthersItsValue) {
  std::vector<Caller*> stampede;
  for (int i = 0; i < 200; ++i)
    stampede.push_back(&ask("k"));
  const LeaseToken token = stampede.front()->token();
  ASSERT_NE(token, 0u);
  EXPECT_EQ(stats().leases, 1u);
  EXPECT_EQ(stats().lease_waits, 199u);
  for (Caller* caller : stampede)
    EXPECT_EQ(caller->waits(), caller != stampede.front());
  EXPECT_EQ(fill("k", token), PutOutcome::kStored);
  for (Caller* caller : stampede) {
    EXPECT_EQ(caller->answers, 1);
    EXPECT_EQ(caller->value(), caller == stampede.front() ? "nothing" : "filled");
  }
  EXPECT_EQ(stats().leases_granted, 1u);
  EXPECT_EQ(stats().leases, 0u);
  EXPECT_EQ(stats().lease_waits, 0u);
}

TEST_F(LeaseTest, EachWaitsNoLongerThanItsOwnLimit) {
  token_for("k");
  Caller& patient = ask("k", 500ms);
  Caller& hasty = ask("k", 20ms);
  world.advance(19);
  EXPECT_TRUE(hasty.waits());
  world.advance(1);
  EXPECT_TRUE(hasty.is_told_to_retry());
  world.advance(479);
  EXPECT_TRUE(patient.waits());
  world.advance(1);
  EXPECT_TRUE(patient.is_told_to_retry());
  EXPECT_EQ(stats().lease_retries, 2u);
  EXPECT_EQ(stats().lease_waits, 0u);
}

TEST_F(LeaseTest, GoesToTheFirstInLineWhenItExpires) {
  const LeaseToken first = token_for("k", 100ms);
  Caller& second = ask("k", 1s);
  Caller& third = ask("k", 10s);
  world.advance(99);
  EXPECT_TRUE(second.waits());
  world.advance(1);
  EXPECT_NE(second.token(), 0u);
  EXPECT_NE(second.token(), first);
  EXPECT_TRUE(third.waits());
  EXPECT_EQ(fill("k", first), PutOutcome::kLeaseRefused);
  EXPECT_EQ(stats().fills_refused_expired, 1u);
  EXPECT_EQ(fill("k", second.token()), PutOutcome::kStored);
  EXPECT_EQ(third.value(), "filled");
}

TEST_F(LeaseTest, ALeaseHandedOnLastsAsLongAsItsNewHolderAskedFor) {
  const LeaseToken first = token_for("k", 10min);
  Caller& second = ask("k", 50ms);
  Caller& third = ask("k", 10min);
  world.worker->give_up_lease({}, "k", first);
  world.run();
  EXPECT_NE(second.token(), 0u);
  world.advance(49);
  EXPECT_TRUE(third.waits());
  world.advance(1);
  EXPECT_NE(third.token(), 0u) << "not only when the first one's time is over";
}

TEST_F(LeaseTest, AnExpiredLeaseThatNobodyWaitsForGoesToTheNextWhoAsks) {
  const LeaseToken first = token_for("k", 10ms);
  world.advance(10);
  EXPECT_NE(token_for("k"), first);
  EXPECT_EQ(fill("k", first), PutOutcome::kLeaseRefused);
  EXPECT_EQ(stats().fills_refused_expired, 1u);
}

TEST_F(LeaseTest, TheWallClockDoesNotMatter) {
  const LeaseToken token = token_for("k", 1min);
  Caller& waiting = ask("k", 30s);
  world.clock.set_wall_ms(world.clock.wall_ms() + 86'400'000);
  world.advance(1);
  EXPECT_TRUE(waiting.waits());
  world.clock.set_wall_ms(world.clock.wall_ms() - 2 * 86'400'000);
  world.advance(30'000);
  EXPECT_TRUE(waiting.is_told_to_retry());
  EXPECT_EQ(fill("k", token), PutOutcome::kStored);
}

TEST_F(LeaseTest, ARefusedFillHandsOn) {
  const LeaseToken first = token_for("k");
  Caller& second = ask("k");
  erase_scope("alice");
  EXPECT_TRUE(second.waits()) << "nobody knows yet whom the fill is about";
  EXPECT_EQ(fill("k", first, about({"alice"})), PutOutcome::kLeaseRefused);
  EXPECT_EQ(fill("k", second.token(), about({"alice"})), PutOutcome::kStored);
}

TEST_F(LeaseTest, AnEraseOfTheKeyHandsOnAtOnce) {
  const LeaseToken first = token_for("k");
  Caller& second = ask("k");
  EXPECT_EQ(world.erase("k"), EraseOutcome::kAbsent);
  EXPECT_NE(second.token(), 0u);
  EXPECT_EQ(fill("k", first), PutOutcome::kLeaseRefused);
  EXPECT_EQ(fill("k", second.token()), PutOutcome::kStored);
}

TEST_F(LeaseTest, AFillThatCannotBeTakenHandsOn) {
  PutOptions options;
  options.lease = token_for("k");
  Caller& second = ask("k");
  options.metadata.model = std::string(kMaxModelBytes + 1, 'm');
  std::optional<Result<PutOutcome>> done;
  world.worker->put({}, "k", "v", options, [&](auto outcome) { done = std::move(outcome); });
  world.run();
  EXPECT_EQ(done->error().code, ErrorCode::kTooLarge);
  EXPECT_NE(second.token(), 0u);
}

TEST_F(LeaseTest, AFillWhoseConditionFailsHandsOn) {
  const LeaseToken first = token_for("k");
  Caller& second = ask("k");
  PutOptions only_if_present;
  only_if_present.condition = Condition::kIfPresent;
  EXPECT_EQ(fill("k", first, only_if_present), PutOutcome::kConditionFailed);
  PutOptions only_if_absent;
  only_if_absent.condition = Condition::kIfAbsent;
  EXPECT_EQ(fill("k", second.token(), only_if_absent), PutOutcome::kStored);
}

TEST_F(LeaseTest, AFillThatHasExpiredBeforeItCameHandsOn) {
  PutOptions late;
  late.expires_at_ms = world.store->now_ms() - 1;
  const LeaseToken first = token_for("k");
  Caller& second = ask("k");
  EXPECT_EQ(fill("k", first, late), PutOutcome::kStored);
  EXPECT_NE(second.token(), 0u);
}

TEST_F(LeaseTest, ADroppedFillHandsOn) {
  world.put("before", "v");
  world.device.inject({.op = io::FaultOp::kSync, .path_contains = "segments", .times = 1});
  world.advance(3000);
  ASSERT_FALSE(stats().writable);
  const LeaseToken first = token_for("k");
  Caller& second = ask("k");
  EXPECT_EQ(fill("k", first), PutOutcome::kNotStored);
  EXPECT_NE(second.token(), 0u);
  EXPECT_EQ(second.answers, 1);
}

TEST_F(LeaseTest, APutWithoutALeaseServesWhoWaitsAndOvertakesTheHolder) {
  const LeaseToken token = token_for("k");
  Caller& waiting = ask("k");
  world.put("k", "another's");
  EXPECT_EQ(waiting.value(), "another's");
  EXPECT_EQ(fill("k", token), PutOutcome::kLeaseRefused);
  EXPECT_EQ(world.get("k"), "another's");
  EXPECT_EQ(stats().fills_refused_unknown, 1u);
}

TEST_F(LeaseTest, WhoAsksForLongAfterWaitsForTheFillOnAnotherLoopToo) {
  io::ManualLoop other_loop(world.clock);
  const auto other = world.store->attach(other_loop);
  const LeaseToken token = token_for("k", 100ms);
  Caller& near = ask("k", 1min);
  Caller& far = ask(*other, "k", 1min);
  other_loop.run_until_idle();
  world.advance(100);
  ASSERT_NE(near.token(), 0u);
  other_loop.run_until_idle();
  EXPECT_TRUE(far.waits());
  EXPECT_EQ(fill("k", token), PutOutcome::kLeaseRefused);
  EXPECT_EQ(fill("k", near.token()), PutOutcome::kStored);
  EXPECT_TRUE(far.waits()) << "not on a foreign loop";
  other_loop.run_until_idle();
  EXPECT_EQ(far.value(), "filled");
}

TEST_F(LeaseTest, WhatIsErasedOnItsWayToWhoWaitsIsNotServed) {
  io::ManualLoop other_loop(world.clock);
  const auto other = world.store->attach(other_loop);
  const LeaseToken token = token_for("k");
  Caller& far = ask(*other, "k", 1min);
  other_loop.run_until_idle();
  EXPECT_EQ(fill("k", token, about({"alice"})), PutOutcome::kStored);
  erase_scope("alice");
  other_loop.run_until_idle();
  EXPECT_TRUE(far.is_told_to_retry());
}

TEST_F(LeaseTest, AWorkerThatGoesTakesItsWaitsAlong) {
  io::ManualLoop other_loop(world.clock);
  auto other = world.store->attach(other_loop);
  token_for("k", 100ms);
  Caller& gone = ask(*other, "k", 10s);
  other_loop.run_until_idle();
  Caller& next = ask("k", 10s);
  EXPECT_EQ(stats().lease_waits, 2u);
  other.reset();
  EXPECT_EQ(stats().lease_waits, 1u);
  EXPECT_FALSE(other_loop.has_timers());
  world.advance(100);
  EXPECT_NE(next.token(), 0u);
  EXPECT_EQ(gone.answers, 0);
}

TEST_F(LeaseTest, SoDoesItWithWhatIsBeingLookedFor) {
  world.put("k", "value");
  world.kill();
  int answers = 0;
  world.worker->lease({}, "k", 1min, [&](const Result<LeaseAnswer>&) { ++answers; });
  world.worker.reset();
  world.run();
  EXPECT_EQ(answers, 0);
}

TEST_F(LeaseTest, AnAnswerOnItsWayToAWorkerThatGoesIsDropped) {
  io::ManualLoop other_loop(world.clock);
  auto other = world.store->attach(other_loop);
  const LeaseToken token = token_for("k");
  Caller& gone = ask(*other, "k", 10s);
  other_loop.run_until_idle();
  EXPECT_EQ(fill("k", token), PutOutcome::kStored);
  other.reset();
  other_loop.run_until_idle();
  EXPECT_EQ(gone.answers, 0);
}

TEST_F(LeaseTest, BeforeAStopWhoWaitsIsSentAway) {
  token_for("k");
  Caller& waiting = ask("k");
  world.worker->end_lease_waits();
  EXPECT_TRUE(waiting.is_told_to_retry());
  EXPECT_TRUE(ask("k").is_told_to_retry());
  EXPECT_NE(ask("another").token(), 0u) << "it is only waiting that has an end";
  EXPECT_TRUE(world.close());
}

TEST_F(LeaseTest, LinesAndLeasesAreBounded) {
  token_for("k");
  for (std::size_t i = 0; i < LeaseTable::kMostWaits; ++i)
    EXPECT_TRUE(ask("k").waits());
  EXPECT_TRUE(ask("k").is_told_to_retry());
  std::size_t granted = 0;
  for (std::size_t i = 0; i < 2 * kShards * LeaseTable::kMostLeases; ++i)
    granted += ask("key" + std::to_string(i), 1s).token() != 0 ? 1 : 0;
  EXPECT_EQ(granted + 1, kShards * LeaseTable::kMostLeases);
  EXPECT_EQ(stats().leases, kShards * LeaseTable::kMostLeases);
  world.advance(1000);
  EXPECT_NE(ask("one more").token(), 0u) << "those that have expired make room";
}

TEST_F(LeaseTest, TheTimesAreBounded) {
  for (const milliseconds ms : {milliseconds(0), milliseconds(kLongestLease) + 1ms}) {
    std::optional<ErrorCode> error;
    world.worker->lease({}, "k", ms, [&](auto got) { error = got.error().code; });
    EXPECT_EQ(error, ErrorCode::kInvalidArgument);
  }
}

TEST_F(LeaseTest, WhatIsDamagedIsComputedAnew) {
  world.put("k", std::string(1000, 'x'));
  ASSERT_TRUE(world.close());
  for (const std::string& name : world.storage.list("segments").value()) {
    const auto file = world.storage.open("segments/" + name, io::OpenMode::kReadWrite).value();
    const std::uint64_t size = file->size().value();
    std::string bytes(size, '\0');
    (void)file->read_at(0, std::as_writable_bytes(std::span(bytes.data(), bytes.size())));
    const std::size_t at = bytes.find('k', 4096);
    if (at == std::string::npos) continue;
    char wrong = 'j';
    iovec part{&wrong, 1};
    ASSERT_TRUE(file->write_at(at, {&part, 1}));
  }
  world.open();
  ASSERT_FALSE(world.get("k"));
  EXPECT_EQ(fill("k", token_for("k")), PutOutcome::kStored);
  EXPECT_EQ(world.get("k"), "filled");
}

// ---- which fills are refused -----------------------------------------------------------------

TEST_F(LeaseTest, AnEraseOfASubjectRefusesTheFillsItIsAbout) {
  const LeaseToken of_alice = token_for("a");
  const LeaseToken of_both = token_for("b");
  const LeaseToken of_bob = token_for("c");
  erase_scope("alice");
  const LeaseToken later = token_for("d");
  EXPECT_EQ(fill("a", of_alice, about({"alice"})), PutOutcome::kLeaseRefused);
  EXPECT_EQ(fill("b", of_both, about({"bob", "alice"})), PutOutcome::kLeaseRefused);
  EXPECT_EQ(fill("c", of_bob, about({"bob"})), PutOutcome::kStored);
  EXPECT_EQ(fill("d", later, about({"alice"})), PutOutcome::kStored);
  EXPECT_FALSE(world.get("a"));
  EXPECT_EQ(stats().fills_refused_erased, 2u);
}

TEST_F(LeaseTest, SoDoesOneOfAModel) {
  const LeaseToken token = token_for("k");
  erase_scope("m1", EraseKind::kModel);
  EXPECT_EQ(fill("k", token, about({"m1"}, "m1")), PutOutcome::kLeaseRefused);
}

TEST_F(LeaseTest, SoDoesOneThatIsNotAcknowledgedYet) {
  PutOptions options = about({"alice"});
  options.lease = token_for("k");
  std::optional<Result<ReceiptId>> fence;
  world.worker->request_erase(StoreWorld::erase_of("alice"), [&](auto got) { fence = got; });
  std::optional<Result<PutOutcome>> outcome;
  world.worker->put({}, "k", "v", options, [&](auto got) { outcome = got; });
  EXPECT_FALSE(fence);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->value(), PutOutcome::kLeaseRefused);
  world.settle([&] { return fence.has_value(); });
}

TEST_F(LeaseTest, SoDoesOneOfTheKey) {
  const LeaseToken absent = token_for("k");
  EXPECT_EQ(world.erase("k"), EraseOutcome::kAbsent);
  EXPECT_EQ(fill("k", absent), PutOutcome::kLeaseRefused);
  const LeaseToken expired = token_for("k");
  EXPECT_EQ(world.expire("k", {world.store->now_ms() - 1, {}, {}}), ExpiryOutcome::kAbsent);
  EXPECT_EQ(fill("k", expired), PutOutcome::kLeaseRefused);
  EXPECT_EQ(stats().fills_refused_erased, 2u);
}

TEST_F(LeaseTest, SoDoesOneOfTheKeysLaterValue) {
  const LeaseToken token = token_for("k");
  world.put("k", "another's");
  EXPECT_EQ(world.erase("k"), EraseOutcome::kErased);
  EXPECT_EQ(fill("k", token), PutOutcome::kLeaseRefused);
  EXPECT_FALSE(world.get("k"));
}

TEST_F(LeaseTest, SoDoesOneOfTheWholeDatabase) {
  const LeaseToken token = token_for("k");
  ASSERT_TRUE(world.erase_all());
  const LeaseToken later = token_for("l");
  EXPECT_EQ(fill("k", token), PutOutcome::kLeaseRefused);
  EXPECT_EQ(fill("l", later), PutOutcome::kStored);
  EXPECT_EQ(stats().fills_refused_erased, 1u);
  world.space = {0, 1};
  const LeaseToken elsewhere = token_for("k");
  world.space = {};
  ASSERT_TRUE(world.erase_all());
  world.space = {0, 1};
  EXPECT_EQ(fill("k", elsewhere), PutOutcome::kStored);
}

TEST_F(LeaseTest, AnEraseThatFoundAnotherVersionDoesNot) {
  const LeaseToken token = token_for("k");
  EXPECT_EQ(world.erase("k", 7), EraseOutcome::kVersionChanged);
  EXPECT_EQ(fill("k", token), PutOutcome::kStored);
}

class LeaseAndReclaim : public LeaseTest {
 protected:
  static Options hurried() {
    Options options = StoreWorld::small_options();
    options.erase_within = 10s;
    return options;
  }
  LeaseAndReclaim() : LeaseTest(hurried()) {}
};

TEST_F(LeaseAndReclaim, AFenceThatWasLetGoStillRefuses) {
  world.put("old", "of alice", about({"alice"}));
  const LeaseToken token = token_for("k", 10min);
  erase_scope("alice");
  ASSERT_TRUE(all_let_go());
  const LeaseToken later = token_for("l", 10min);
  EXPECT_EQ(fill("k", token, about({"alice"})), PutOutcome::kLeaseRefused);
  EXPECT_EQ(fill("l", later, about({"alice"})), PutOutcome::kStored);
  EXPECT_EQ(stats().fills_refused_erased, 1u);
}

TEST_F(LeaseAndReclaim, SoDoesOneOfWhichALaterOneIsLetGoToo) {
  const LeaseToken token = token_for("k", 10min);
  erase_scope("alice");
  ASSERT_TRUE(all_let_go());
  const LeaseToken between = token_for("l", 10min);
  erase_scope("alice");
  ASSERT_TRUE(all_let_go());
  erase_scope("bob");
  ASSERT_TRUE(all_let_go());
  EXPECT_EQ(fill("k", token, about({"alice"})), PutOutcome::kLeaseRefused);
  EXPECT_EQ(fill("l", between, about({"alice"})), PutOutcome::kLeaseRefused);
}

TEST_F(LeaseTest, AfterARestartNoTokenIsGood) {
  const LeaseToken killed = token_for("a");
  world.kill();
  EXPECT_EQ(fill("a", killed), PutOutcome::kLeaseRefused);
  const LeaseToken closed = token_for("b");
  ASSERT_TRUE(world.close());
  world.open();
  EXPECT_EQ(fill("b", closed), PutOutcome::kLeaseRefused);
  EXPECT_NE(token_for("b"), closed);
}

TEST_F(LeaseTest, ATokenIsForItsKeyAndForOnce) {
  const LeaseToken of_a = token_for("a");
  const LeaseToken of_b = token_for("b");
  EXPECT_EQ(fill("a", of_b), PutOutcome::kLeaseRefused);
  EXPECT_EQ(fill("c", of_b), PutOutcome::kLeaseRefused);
  EXPECT_EQ(fill("a", 0), PutOutcome::kLeaseRefused);
  EXPECT_EQ(fill("a", of_a), PutOutcome::kStored) << "that was another's mistake";
  EXPECT_EQ(fill("a", of_a), PutOutcome::kLeaseRefused);
  EXPECT_EQ(stats().fills_refused_unknown, 4u);
  world.space = {0, 1};
  EXPECT_EQ(fill("b", of_b), PutOutcome::kLeaseRefused);
}

TEST(FenceTable, RemembersOfWhatItLetGoAsMuchAsALeaseCanAskFor) {
  FenceTable fences;
  const auto fence = [](std::uint64_t number) {
    Mac mac;
    std::memcpy(mac.bytes.data(), &number, sizeof number);
    return Fence{{0, kSubjectScope}, mac, number, 0};
  };
  const auto let_go = [&](std::uint64_t number, std::int64_t now_ns) {
    fences.raise(fence(number));
    fences.drop_scope(fence(number), now_ns);
  };
  constexpr std::int64_t kAge = std::chrono::nanoseconds(kLongestLease).count();
  let_go(5, 0);
  EXPECT_TRUE(fences.has_fenced({}, 5, {5}));
  EXPECT_FALSE(fences.has_fenced({}, 6, {5}));
  EXPECT_FALSE(fences.is_fenced({}, 5, {5})) << "reads need not look";
  let_go(6, kAge);
  EXPECT_TRUE(fences.has_fenced({}, 5, {5}));
  let_go(7, kAge + 1);
  EXPECT_FALSE(fences.has_fenced({}, 5, {5}));
  for (std::uint64_t number = 8; number < 8 + 65'536; ++number)
    let_go(number, kAge + 2);
  EXPECT_TRUE(fences.has_fenced({}, 7, {12345678})) << "too many: what is older is refused";
  EXPECT_FALSE(fences.has_fenced({}, 8, {12345678}));
}

// ---- threads ---------------------------------------------------------------------------------

/// A worker on a thread of its own, which is asked one thing after the other.
class WorkerOnThread {
 public:
  explicit WorkerOnThread(Store& store) : thread_([this] { loop_.run(); }) {
    run<bool>([&](auto done) {
      worker_ = store.attach(loop_);
      done(true);
    });
  }
  ~WorkerOnThread() {
    run<bool>([&](auto done) {
      worker_.reset();
      done(true);
    });
    loop_.stop();
    thread_.join();
  }

  LeaseAnswer lease(const std::string& key) {
    LeaseAnswer given;
    run<bool>([&](auto done) {
      worker_->lease({}, key, 1min, [done, &given](Result<LeaseAnswer> answer) {
        given = std::move(answer.value());
        done(true);
      });
    });
    return given;
  }
  PutOutcome fill(const std::string& key, LeaseToken token, PutOptions options) {
    options.lease = token;
    return run<PutOutcome>([&](auto done) {
      worker_->put({}, key, "of " + std::to_string(token), options,
                   [done](Result<PutOutcome> outcome) { done(outcome.value()); });
    });
  }
  void erase_subject(const std::string& subject) {
    run<ReceiptId>([&](auto done) {
      worker_->request_erase(StoreWorld::erase_of(subject),
                             [done](Result<ReceiptId> id) { done(id.value()); });
    });
  }

 private:
  template <typename T, typename Begin>
  T run(Begin begin) {
    std::promise<T> promise;
    loop_.post([&] { begin([&promise](T value) { promise.set_value(std::move(value)); }); });
    return promise.get_future().get();
  }

  io::AsioLoop loop_;
  std::unique_ptr<Worker> worker_;
  std::thread thread_;
};

class LeaseThreads : public testing::Test {
 protected:
  static constexpr int kThreads = 4;

  LeaseThreads() {
    store = LocalStore::open(directory_.path() / "data", StoreWorld::small_options()).value();
    for (int i = 0; i < kThreads; ++i)
      workers_.emplace_back(store->store());
  }
  ~LeaseThreads() override {
    workers_.clear();
    store.reset();
  }

  /// Calls back on so many threads at once, each with a worker of its own.
  template <typename Act>
  void on_threads(Act act) {
    std::vector<std::thread> threads;
    for (WorkerOnThread& worker : workers_)
      threads.emplace_back(
          [act, &worker, self = static_cast<int>(threads.size())] { act(self, worker); });
    for (std::thread& thread : threads)
      thread.join();
  }

  std::unique_ptr<LocalStore> store;

 private:
  io::TempDirectory directory_;
  std::list<WorkerOnThread> workers_;
};

TEST_F(LeaseThreads, EveryKeyIsComputedOnceAndSeenByAll) {
  constexpr int kKeys = 200;
  std::atomic<int> computed{0};
  std::array<std::array<std::string, kKeys>, kThreads> seen;
  on_threads([&](int self, WorkerOnThread& worker) {
    for (std::size_t i = 0; i < kKeys; ++i) {
      const std::string key = "k" + std::to_string(i);
      const LeaseAnswer answer = worker.lease(key);
      if (answer.token != 0) {
        ++computed;
        EXPECT_EQ(worker.fill(key, answer.token, {}), PutOutcome::kStored);
      }
      seen[static_cast<std::size_t>(self)][i] = answer.found
                                                    ? std::string(answer.found->entry->value())
                                                    : "of " + std::to_string(answer.token);
    }
  });
  EXPECT_EQ(computed, kKeys);
  for (const auto& one : seen)
    EXPECT_EQ(one, seen.front());
}

TEST_F(LeaseThreads, NoFillGetsPastAnErase) {
  constexpr int kErases = 60;
  std::atomic<int> begun{0};
  std::atomic<int> over{0};
  std::atomic<int> refused{0};
  on_threads([&](int self, WorkerOnThread& worker) {
    for (int i = 0; i < kErases; ++i) {
      if (self == 0) {
        ++begun;
        worker.erase_subject("alice");
        ++over;
        continue;
      }
      const std::string key = std::to_string(self) + "-" + std::to_string(i);
      const LeaseAnswer answer = worker.lease(key);
      ASSERT_NE(answer.token, 0u);
      const int before = begun;
      while (i % 2 == 0 && over <= before && over < kErases)
        std::this_thread::yield();
      const bool overtaken = over > before;  // by one that began after the lease
      const PutOutcome outcome = worker.fill(key, answer.token, about({"alice"}));
      const bool is_refused = outcome == PutOutcome::kLeaseRefused;
      EXPECT_TRUE(is_refused || !overtaken) << key;
      refused += is_refused ? 1 : 0;
    }
  });
  EXPECT_EQ(store->store().stats().fills_refused_erased, static_cast<std::uint64_t>(refused));
}

}  // namespace
}  // namespace kachel
