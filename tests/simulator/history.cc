#include "tests/simulator/history.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <xxhash.h>

#include "tests/simulator/anatomy.h"
#include "tests/simulator/copy_check.h"
#include "tests/simulator/damage.h"
#include "tests/simulator/fault_profile.h"
#include "tests/simulator/held_lease.h"

namespace kachel::sim {
namespace {

// In two histories of three; a day in the others.
constexpr std::chrono::seconds kEraseWithin{60};
// In half of the histories: so small that a handful of values is enough to train one.
constexpr DictionaryOptions kDictionaries{.enabled = true,
                                          .max_bytes = 768,
                                          .min_samples = 2,
                                          .max_samples = 64,
                                          .look_every = std::chrono::milliseconds(500),
                                          .least_erase_within = std::chrono::seconds(1)};
constexpr std::size_t kMostInFlight = 12;
constexpr std::size_t kMostHeld = 8;  // leases
constexpr std::size_t kMostHolds = 3;
// The superblock's clock lags behind by a minute at most.
constexpr std::int64_t kClockLagMs = 61'000;
// A jump of the clock is noticed by then.
constexpr std::int64_t kClockKeptMs = 1'000;

Durability durability_of(std::uint64_t seed) {
  static constexpr Durability kModes[] = {Durability::kRelaxed, Durability::kGroup,
                                          Durability::kStrict};
  return kModes[seed % 3];
}

class History {
 public:
  explicit History(const HistoryOptions& options)
      : options_(options),
        choices_(options.seed),
        index_choices_(options.seed + 1),
        profile_(FaultProfile::draw(choices_)),
        world_(setup(), options.seed * 7919),
        oracle_(4 + choices_.choose(9), world_.setup.options) {
    in_flight_most_ = 1 + choices_.choose(kMostInFlight);
    profile_.configure(world_, oracle_, choices_);
  }

  HistoryResult run();

 private:
  Setup setup();
  void crash_creation();
  void start();
  void act();
  void put();
  Op draw_put(std::size_t key);
  /// With a lease: what must become of it.
  void issue_put(const Op& op, std::optional<LeaseToken> lease, const Refusal& refusal);
  void erase();
  void expire();
  void erase_all();
  void erase_subject(std::size_t subject);
  void snapshot();
  void check_snapshot();
  void hold_or_release();
  void place_hold();
  void release_hold(const HoldId& id);
  void check_holds();
  void take_up_holds();
  void check_erasures();
  struct Followed;
  void check_reclaimed(std::uint64_t fence, const Followed& erase);
  void get();
  void check_sighting(std::size_t key, const std::optional<Found>& found, std::size_t from,
                      std::int64_t from_ms);
  void lease();
  void take_lease();
  void on_lease(HeldLease lease, const Result<LeaseAnswer>& answer, std::int64_t from_ms);
  void fill_lease();
  void pass_time();
  void jump_clock();
  void stop_in_order();
  void crash();
  void go_on(Crash crash, std::int64_t time_ms);
  void await(bool settled, const bool& answered);
  void on_operation(const io::Operation& operation);
  /// A copy of the world, as it is at some operation on its storage, and what befalls it.
  struct Copy {
    std::unique_ptr<World> world;
    std::string told;
    Crash crash = Crash::kKill;
    FaultClass counted = FaultClass::kKill;
    bool crashes_in_recovery = false;
  };
  Copy copy_at(const io::Operation& operation, Choices& choices);
  void check_copy(Copy copy, Choices& choices);
  void check_index_copies();
  void tell(const io::Operation& operation) const;
  void fail_if(const std::optional<std::string>& failure) {
    if (failure && !result_.violation) result_.violation = failure;
  }
  void trace(const std::string& what);
  std::size_t draw_key() { return choices_.choose(oracle_.keys()); }
  std::int64_t now_ms() const { return world_.store->now_ms(); }

  const HistoryOptions options_;
  SeededChoices choices_;
  SeededChoices index_choices_;  // of crashes inside RocksDB's flushes: on its threads, not by seed
  FaultProfile profile_;
  World world_;
  Oracle oracle_;
  HistoryResult result_;
  std::size_t in_flight_most_ = 1;
  std::size_t in_flight_ = 0;
  std::int64_t kept_ms_ = 0;        // of the store's clock: in the superblock, but for its lag
  std::uint64_t life_ = 0;          // starts so far: answers to an earlier one are late
  std::vector<Copy> index_copies_;  // while RocksDB flushes, on its threads; checked after
  bool watching_ = false;
  bool stopping_ = false;
  /// An erase of a subject that was acknowledged, and is still followed.
  struct Followed {
    std::size_t subject = 0;
    std::uint64_t life = 0;
    ValueId before = 0;  // the first value that was put after it
  };
  std::map<ReceiptId, Followed> followed_;
  std::vector<HoldId> holds_;       // in force
  std::set<std::string> given_up_;  // files that were to be removed, and may still be there
  std::vector<HeldLease> held_;
  std::uint64_t snapshots_ = 0;  // begun
  bool clock_jumped_ = false;
  bool was_damaged_ = false;
  bool over_ = false;
};

Setup History::setup() {
  Setup setup;
  setup.options = Setup::small_options(durability_of(options_.seed));
  setup.index = options_.index;
  if (options_.seed % 3 != 0) setup.options.erase_within = kEraseWithin;
  if (options_.seed % 4 < 2) setup.options.dictionaries = kDictionaries;
  if (options_.seed % 7 == 3) setup.options.warm_bytes_per_s = kMiB;
  setup.hashes = options_.seed % 5 == 4;
  setup.snapshots = options_.seed % 11 == 6;
  profile_.choose_setup(setup, choices_);
  return setup;
}

HistoryResult History::run() {
  try {
    static constexpr std::string_view kModes[] = {"relaxed", "group", "strict"};
    const auto mode = static_cast<std::size_t>(world_.setup.options.durability);
    result_.setting = std::string(kModes[mode]) + ", " + std::string(profile_.name());
    trace(result_.setting + ", " + std::to_string(in_flight_most_) + " in flight");
    crash_creation();
    if (auto opened = world_.open(); !opened) throw Violation(opened.error().message);
    start();
    for (std::uint64_t step = 0; step < options_.steps && !result_.violation && !over_; ++step)
      act();
  } catch (const std::exception& failure) {
    fail_if(std::string(failure.what()));
  }
  watching_ = false;
  ++life_;
  if (world_.store) {
    result_.dictionaries += world_.store->stats().dictionaries_trained;
    result_.quota_evictions += world_.store->stats().quota_evicted_entries;
  }
  result_.faults.add(world_.faults);
  return result_;
}

/// In a world of its own, so that the history is the same without it.
void History::crash_creation() {
  Setup setup = world_.setup;
  setup.slow_io_percent = 0;
  World world(setup, options_.seed * 7927);
  ImageCheck check{oracle_};
  check_creation(world, check);
  result_.images += check.images;
  result_.faults.add(check.faults);
}

void History::start() {
  ++life_;
  in_flight_ = 0;
  given_up_.clear();
  kept_ms_ = now_ms();
  watching_ = true;
  world_.storage->observe([this](const io::Operation& operation) { on_operation(operation); });
  world_.index_disk->on_flush = [this] { on_operation({io::FaultOp::kSync, "the index"}); };
  world_.index_disk->after_flush = [this] { check_index_copies(); };
}

void History::act() {
  ++result_.operations;
  profile_.strike(world_, oracle_, choices_);
  if (world_.setup.snapshots && choices_.one_in(30)) return snapshot();
  const std::size_t choice = choices_.choose(1000);
  if (choice < 380) return put();
  if (choice < 490) return erase();
  if (choice < 550) return expire();
  if (choice < 558) return erase_all();
  if (choice < 564) return erase_subject(1 + choices_.choose(Oracle::kSubjects));
  if (choice < 725) return get();
  if (choice < 760) return lease();
  if (choice < 943) return pass_time();
  if (choice < 950) return hold_or_release();
  if (choice < 960) return jump_clock();
  if (choice < 970) return stop_in_order();
  crash();
}

/// Later operations of the model come after this one in the log only if its place is settled.
void History::await(bool settled, const bool& answered) {
  if (!settled) world_.settle([&] { return answered; });
  if (in_flight_ > in_flight_most_) world_.run();
  if (in_flight_ > in_flight_most_) world_.settle([&] { return in_flight_ <= in_flight_most_; });
}

void History::put() {
  const Op op = draw_put(draw_key());
  trace("put " + Oracle::key_name(op.key) + " value " + std::to_string(op.value));
  issue_put(op, {}, {});
}

Op History::draw_put(std::size_t key) {
  static constexpr std::int64_t kLifetimesMs[] = {0, 0, 0, 2'000, 20'000, 200'000};
  Op op;
  op.kind = OpKind::kPut;
  op.key = key;
  const bool large = choices_.one_in(12);
  op.value = oracle_.make_value(op.key, large ? 20'000 + choices_.choose(30'000) : 300, !large);
  if (const std::int64_t life = kLifetimesMs[choices_.choose(6)]; life != 0) {
    op.expires_at_ms = now_ms() + life;
  }
  return op;
}

void History::issue_put(const Op& op, std::optional<LeaseToken> lease, const Refusal& refusal) {
  const std::size_t index = oracle_.begin(op);
  ++in_flight_;
  auto answered = std::make_shared<bool>(false);  // outlives this call when the answer is late
  PutOptions put;
  put.expires_at_ms = op.expires_at_ms;
  put.lease = lease;
  if (const std::size_t subject = Oracle::subject_of(op.value); subject != 0) {
    put.metadata.subjects = {Oracle::subject_name(subject)};
  }
  put.metadata.cost_micro_usd = op.value % 4 == 0 ? 50'000 : 100;  // reclaim keeps what is dear
  const bool settled = world_.worker->put(
      world_.space, world_.key_text(op.key), oracle_.text(op.value), put,
      [this, index, answered, refusal, life = life_](Result<PutOutcome> outcome) {
        if (life != life_) return;
        *answered = true;
        --in_flight_;
        OpState state = OpState::kFailed;
        if (outcome && *outcome == PutOutcome::kLeaseRefused) {
          state = OpState::kNoEffect;
          if (refusal.must.empty() && refusal.may.empty()) {
            fail_if("a fill was refused without need");
          }
        } else if (outcome) {
          if (!refusal.must.empty()) fail_if("a fill was taken, but " + refusal.must);
          state = *outcome == PutOutcome::kStored ? OpState::kDone : OpState::kDropped;
          if (state == OpState::kDropped && !profile_.may_drop()) {
            fail_if("a put was dropped without need");
          }
        }
        oracle_.end(index, state, world_.time_ms());
      });
  await(settled, *answered);
}

void History::erase() {
  Op op;
  op.kind = OpKind::kErase;
  op.key = draw_key();
  const bool may_be_there = oracle_.may_be_there(op.key, now_ms());
  const bool may_be_absent = oracle_.may_be_absent(op.key, now_ms());
  const std::size_t index = oracle_.begin(op);
  trace("erase " + Oracle::key_name(op.key));
  ++in_flight_;
  auto answered = std::make_shared<bool>(false);
  const bool settled = world_.worker->erase(
      world_.space, world_.key_text(op.key), {},
      [=, this, life = life_](Result<EraseOutcome> outcome) {
        if (life != life_) return;
        *answered = true;
        --in_flight_;
        OpState state = OpState::kFailed;
        if (outcome && *outcome == EraseOutcome::kErased) state = OpState::kDone;
        if (outcome && *outcome == EraseOutcome::kAbsent) state = OpState::kNoEffect;
        if (state == OpState::kDone && !may_be_there && !oracle_.weak && !was_damaged_)
          fail_if("an absent entry was erased");
        if (state == OpState::kNoEffect && !may_be_absent && !oracle_.weak) {
          fail_if("an entry that is there was not erased: " + Oracle::key_name(op.key));
        }
        if (state == OpState::kFailed && !profile_.may_fail()) fail_if("an erase failed");
        oracle_.end(index, state, world_.time_ms());
      });
  await(settled, *answered);
}

void History::expire() {
  Op op;
  op.kind = OpKind::kExpire;
  op.key = draw_key();
  op.expires_at_ms = now_ms() + 1'000 + static_cast<std::int64_t>(choices_.choose(60'000));
  const std::size_t index = oracle_.begin(op);
  trace("expire " + Oracle::key_name(op.key) + " at " + std::to_string(op.expires_at_ms));
  ++in_flight_;
  auto answered = std::make_shared<bool>(false);
  const bool settled = world_.worker->change_expiry(
      world_.space, world_.key_text(op.key), {op.expires_at_ms, {}, {}},
      [=, this, life = life_](Result<ExpiryOutcome> outcome) {
        if (life != life_) return;
        *answered = true;
        --in_flight_;
        OpState state = OpState::kFailed;
        if (outcome) {
          state = *outcome == ExpiryOutcome::kChanged ? OpState::kDone : OpState::kNoEffect;
        }
        oracle_.end(index, state, world_.time_ms());
      });
  await(settled, *answered);
}

void History::erase_all() {
  Op op;
  op.kind = OpKind::kEraseAll;
  const std::size_t index = oracle_.begin(op);
  trace("erase all");
  ++in_flight_;
  auto answered = std::make_shared<bool>(false);
  const bool settled =
      world_.worker->erase_all(world_.space, [=, this, life = life_](Result<void> outcome) {
        if (life != life_) return;
        *answered = true;
        --in_flight_;
        oracle_.end(index, outcome ? OpState::kDone : OpState::kFailed, world_.time_ms());
      });
  await(settled, *answered);
}

void History::erase_subject(std::size_t subject) {
  Op op;
  op.kind = OpKind::kEraseSubject;
  op.subject = subject;
  const std::size_t index = oracle_.begin(op);
  trace("erase " + Oracle::subject_name(op.subject));
  ++in_flight_;
  auto answered = std::make_shared<bool>(false);
  EraseRequest request;
  request.space = World::strings();
  request.names.push_back(Oracle::subject_name(op.subject));
  const bool settled = world_.worker->request_erase(
      std::move(request),
      [=, this, life = life_, before = oracle_.next_value()](Result<ReceiptId> id) {
        if (life != life_) return;
        *answered = true;
        --in_flight_;
        oracle_.end(index, id ? OpState::kDone : OpState::kFailed, world_.time_ms());
        if (!id) return;
        followed_[*id] = {op.subject, life, before};
        oracle_.last_receipt = *id;
      });
  await(settled, *answered);
}

/// Or one that is there is restored.
void History::snapshot() {
  if (choices_.one_in(2)) return check_snapshot();
  static constexpr std::int64_t kLivesMs[] = {0, 3'000, 100'000};
  const std::string name = "s" + std::to_string(++snapshots_);
  trace("snapshot " + name);
  world_.store->copies().create_snapshot(
      name, std::chrono::milliseconds(kLivesMs[choices_.choose(3)]), world_.log_loop(),
      [this, life = life_](const Result<SnapshotInfo>& made) {
        if (life != life_) return;
        // A device that loses writes may have lost what is to be copied, and one that can't be read
        // gives nothing to copy.
        const bool is_excused = !made && (made.error().code == ErrorCode::kLocked || stopping_ ||
                                          profile_.may_lose_writes() || profile_.reads_fail());
        if (!made && !is_excused && !profile_.may_fail()) {
          fail_if("a snapshot failed: " + made.error().message);
        }
        if (made) ++result_.snapshots;
      });
  world_.run();
}

/// What is damaged, or was dropped without need, is not what is looked for.
void History::check_snapshot() {
  const auto there = world_.store->copies().snapshots();
  if (there.empty() || was_damaged_ || oracle_.weak) return;
  const std::string name = there[choices_.choose(there.size())].name;
  trace("restore " + name);
  world_.settle([&] { return in_flight_ == 0; });
  const auto still_there = world_.store->copies().snapshots();
  const bool has_gone = std::none_of(still_there.begin(), still_there.end(),
                                     [&](const auto& info) { return info.name == name; });
  if (has_gone) return;
  try {
    check_copy_of(world_, name,
                  {oracle_.keys(), 1 + choices_.choose(5), profile_.reads_fail() || stopping_});
    ++result_.restores;
  } catch (const Violation& violation) {
    fail_if(std::string(violation.what()));
  }
}

void History::hold_or_release() {
  if (holds_.empty() || (holds_.size() < kMostHolds && choices_.one_in(2))) return place_hold();
  release_hold(holds_[choices_.choose(holds_.size())]);
}

void History::place_hold() {
  const std::string subject = Oracle::subject_name(1 + choices_.choose(Oracle::kSubjects));
  trace("hold " + subject);
  world_.worker->place_hold({world_.space.tenant, subject, "a case"},
                            [this, subject, life = life_](Result<HoldId> id) {
                              if (life != life_ || !id) return;
                              trace("held " + subject);
                              holds_.push_back(*id);
                              if (was_damaged_ || oracle_.weak) return;
                              Kept kept(subject);
                              kept.note(world_, given_up_);
                              oracle_.holds.emplace(*id, std::move(kept));
                            });
  world_.run();
}

void History::release_hold(const HoldId& id) {
  trace("release a hold");
  std::erase(holds_, id);
  oracle_.holds.erase(id);
  world_.worker->release_hold(world_.space.tenant, id, "", [](const Result<void>&) {});
  world_.run();
}

/// What is durable by now is kept from here on, too.
void History::check_holds() {
  if (was_damaged_ || oracle_.weak) oracle_.holds.clear();
  for (auto& [id, kept] : oracle_.holds) {
    kept.check(world_);
    kept.note(world_, given_up_);
  }
}

/// Those that the start has found: one whose placing or release nobody was told of may be.
void History::take_up_holds() {
  holds_.clear();
  const auto holds = world_.holds();
  if (!holds) return;
  for (const HoldInfo& hold : *holds)
    holds_.push_back(hold.id);
}

/// What is called reclaimed is on no device any more, in a segment or in the index; and it is by
/// the deadline.
void History::check_erasures() {
  for (auto it = followed_.begin(); it != followed_.end();) {
    const auto erasure = world_.store->erasure(it->first);
    const bool gone = erasure && erasure->state == ErasureState::kReclaimed;
    if (gone && !was_damaged_ && !oracle_.weak) check_reclaimed(erasure->fence, it->second);
    const bool overdue =
        erasure && !gone && erasure->held_copies == 0 && now_ms() > erasure->deadline_ms;
    if (overdue && it->second.life == life_ && !profile_.may_be_late() && !clock_jumped_) {
      fail_if("an erasure is overdue by " + std::to_string(now_ms() - erasure->deadline_ms) +
              " ms, with " + std::to_string(erasure->segments_left) + " segments left");
    }
    it = gone || !erasure ? followed_.erase(it) : std::next(it);
  }
}

void History::check_reclaimed(std::uint64_t fence, const Followed& erase) {
  const std::size_t subject = erase.subject;
  MacKey mac_key{};
  auto segments = dissect(*world_.disk, mac_key);
  for (Anatomy& segment : dissect_snapshots(*world_.disk, mac_key))
    segments.push_back(std::move(segment));
  const ScopeTag tag = tag_of(
      scope_mac(mac_key, world_.space.tenant, ScopeKind::kSubject, Oracle::subject_name(subject)));
  for (const Anatomy& segment : segments) {
    for (ValueId value = 1; value < erase.before && !segment.dictionary.empty(); ++value) {
      const bool is_erased = Oracle::subject_of(value) == subject;
      const std::string begin = oracle_.text(value).substr(0, oracle_.text(value).find(':') + 1);
      if (!is_erased || segment.dictionary.find(begin) == std::string::npos) continue;
      fail_if(segment.path + " has '" + begin +
              "' in its dictionary, of a subject whose erase is called reclaimed");
    }
    for (const Piece& record : segment.records) {
      if (record.version > fence) continue;
      if (std::find(record.tags.begin(), record.tags.end(), tag) == record.tags.end()) continue;
      fail_if(segment.path + " has a record of version " + std::to_string(record.version) +
              " of a subject whose erase by " + std::to_string(fence) + " is called reclaimed");
    }
  }
  const auto is_of = [&](const Row& row) {
    return row.version <= fence &&
           std::find(row.tags.begin(), row.tags.end(), tag) != row.tags.end();
  };
  const MemoryIndexImage& index = world_.index_disk->durable;  // RocksDB's is not looked into
  const auto is_row = [&](const auto& row) { return is_of(row.second); };
  if (std::any_of(index.rows.begin(), index.rows.end(), is_row) ||
      std::any_of(index.dead.begin(), index.dead.end(), is_row)) {
    fail_if("the index has a row of an erased subject that is called reclaimed");
  }
}

void History::get() {
  const std::size_t key = draw_key();
  const std::size_t from = oracle_.issued();
  const std::int64_t from_ms = now_ms();
  trace("get " + Oracle::key_name(key));
  auto answered = std::make_shared<bool>(false);
  ++in_flight_;
  (void)world_.worker->get(world_.space, world_.key_text(key),
                           [=, this, life = life_](Result<std::optional<Found>> found) {
                             if (life != life_) return;
                             *answered = true;
                             --in_flight_;
                             if (!found || !*found) {
                               if (profile_.reads_fail() || stopping_)
                                 return;  // a stop cuts reads short
                               if (!found) return fail_if("a get failed: " + found.error().message);
                             }
                             check_sighting(key, *found, from, from_ms);
                           });
  await(true, *answered);
}

void History::check_sighting(std::size_t key, const std::optional<Found>& found, std::size_t from,
                             std::int64_t from_ms) {
  std::optional<Sighting> seen;
  if (found) seen = Sighting{std::string(found->entry->value()), found->expires_at_ms};
  try {
    oracle_.check_get(key, seen, from, from_ms, now_ms());
  } catch (const Violation& violation) {
    fail_if(std::string(violation.what()));
  }
}

void History::lease() {
  if (!held_.empty() && choices_.one_in(2)) return fill_lease();
  take_lease();
}

/// It may wait for long, and is waited for by nobody.
void History::take_lease() {
  static constexpr std::int64_t kLivesMs[] = {20, 3'000, 60'000, 600'000};
  HeldLease asked;
  asked.key = draw_key();
  asked.ms = kLivesMs[choices_.choose(4)];
  asked.life = life_;
  asked.asked_after = oracle_.issued();
  asked.asked_ns = world_.clock.monotonic_ns();
  trace("lease " + Oracle::key_name(asked.key) + " for " + std::to_string(asked.ms) + " ms");
  (void)world_.worker->lease(world_.space, world_.key_text(asked.key),
                             std::chrono::milliseconds(asked.ms),
                             [this, asked, from_ms = now_ms()](const Result<LeaseAnswer>& answer) {
                               if (asked.life == life_) on_lease(asked, answer, from_ms);
                             });
}

/// A token is given for what is not there.
void History::on_lease(HeldLease lease, const Result<LeaseAnswer>& answer, std::int64_t from_ms) {
  if (!answer) {
    if (!profile_.reads_fail() && !stopping_) fail_if("a lease failed: " + answer.error().message);
    return;
  }
  if (!answer->found && answer->token == 0) return;
  const bool excused = !answer->found && (profile_.reads_fail() || stopping_);
  if (!excused) check_sighting(lease.key, answer->found, lease.asked_after, from_ms);
  if (answer->token == 0) return;
  trace("has the lease of " + Oracle::key_name(lease.key));
  lease.token = answer->token;
  lease.given_after = oracle_.issued();
  lease.given_ns = world_.clock.monotonic_ns();
  if (held_.size() == kMostHeld) held_.erase(held_.begin());
  held_.push_back(lease);
}

/// Now and then a second time, or that of another key; and now and then right after an erase.
void History::fill_lease() {
  const std::size_t at = choices_.choose(held_.size());
  HeldLease lease = held_[at];
  held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(at));
  const Op op = draw_put(choices_.one_in(10) ? draw_key() : lease.key);
  const std::size_t subject = Oracle::subject_of(op.value);
  if (subject != 0 && choices_.one_in(6)) erase_subject(subject);
  const Refusal refusal =
      judge_fill(lease, oracle_, op.key, op.value, life_, world_.clock.monotonic_ns());
  trace("fill " + Oracle::key_name(op.key) + " value " + std::to_string(op.value) + " with " +
        Oracle::key_name(lease.key) + "'s lease");
  issue_put(op, lease.token, refusal);
  if (lease.used || choices_.one_in(2)) return;
  lease.used = op.key == lease.key;
  held_.push_back(lease);
}

void History::pass_time() {
  static constexpr std::size_t kMostMs[] = {3, 60, 300, 3'000, 3'000, 100'000};
  const auto ms = static_cast<std::int64_t>(choices_.choose(kMostMs[choices_.choose(6)]));
  trace("advance " + std::to_string(ms) + " ms");
  const std::int64_t before_ms = now_ms();
  world_.advance(ms);
  if (ms >= kClockKeptMs) kept_ms_ = before_ms;
  check_erasures();
  check_holds();
}

void History::jump_clock() {
  if (!profile_.clock_jumps) return;
  const auto by = static_cast<std::int64_t>(choices_.choose(600'000)) - 300'000;
  trace("the wall clock jumps by " + std::to_string(by) + " ms");
  result_.faults.note(FaultClass::kClockJump);
  clock_jumped_ = true;
  world_.clock.set_wall_ms(world_.clock.wall_ms() + by);
}

void History::stop_in_order() {
  trace("stop");
  oracle_.note_time(now_ms());
  const std::int64_t before_ms = now_ms();
  stopping_ = true;
  auto closed = world_.close();
  stopping_ = false;
  ++life_;
  if (!closed && !profile_.may_fail())
    throw Violation("the stop failed: " + closed.error().message);
  oracle_.expired_for_good_ms = closed ? before_ms : kept_ms_ - kClockLagMs;
  go_on(closed ? Crash::kStop : Crash::kKill, world_.time_ms());
}

void History::crash() {
  const std::int64_t time_ms = world_.time_ms();
  oracle_.note_time(now_ms());
  oracle_.expired_for_good_ms = kept_ms_ - kClockLagMs;
  watching_ = false;
  ++life_;
  world_.kill();
  Crash kind = Crash::kKill;
  if (choices_.one_in(2)) {
    kind = Crash::kPowerCut;
    DrawnCrash outcome(choices_);
    world_.cut_power(outcome);
    result_.faults.note(outcome.is_torn() ? FaultClass::kTornPowerCut : FaultClass::kPowerCut);
  } else {
    result_.faults.note(FaultClass::kKill);
  }
  trace(kind == Crash::kKill ? "kill" : "power cut");
  go_on(kind, time_ms);
}

void History::go_on(Crash crash, std::int64_t time_ms) {
  watching_ = false;
  profile_.calm(world_);
  // After a failed sync a start judges holes as after a power cut.
  const bool judged_so = crash == Crash::kKill && world_.knows_of_failed_sync();
  const Damage damage = damage_at_random(world_, oracle_, judged_so ? Crash::kPowerCut : crash,
                                         choices_, result_.faults);
  if (!damage.what.empty()) trace(damage.what);
  was_damaged_ |= damage.is_damage;
  const bool may_strike = !damage.is_damage || !profile_.fails_syncs();
  if (profile_.strikes_starts() && may_strike && choices_.one_in(3)) {
    // A start that meets an error gives up, or gets by; either way the next one finds all.
    profile_.strike_start(world_, choices_);
    ++life_;
    if (world_.open()) world_.kill();
    profile_.calm(world_);
  }
  if (world_.evict() && crash == Crash::kKill) crash = Crash::kPowerCut;
  ImageCheck check{oracle_, crash, time_ms, damage.excuses, was_damaged_};
  // After a power cut damage could not be told from what it tore.
  check.crashes_in_recovery = damage.is_damage ? 0 : 1;
  check.explains = options_.trace;
  const Sightings seen = check_image(world_, check);
  result_.images += check.images;
  result_.faults.add(check.faults);
  oracle_.note_time(now_ms());
  oracle_.restart(seen);
  take_up_holds();
  over_ |= damage.loses_erases;  // from here on the model would know too little
  trace("is there: " + std::to_string(world_.store->count(world_.space)) + " entries");
  start();
  profile_.restart(world_, oracle_);
}

void History::on_operation(const io::Operation& operation) {
  if (!watching_ || result_.violation || !io::changes_storage(operation.op)) return;
  if (!world_.is_own_thread()) {
    // One at a time, and the world's own thread waits for the flush.
    if (!world_.is_flushing() || !index_choices_.one_in(options_.image_every)) return;
    index_copies_.push_back(copy_at(operation, index_choices_));
    return;
  }
  oracle_.note_time(now_ms());
  if (operation.op == io::FaultOp::kRemove) given_up_.emplace(operation.path);
  if (options_.trace_storage) tell(operation);
  if (!choices_.one_in(options_.image_every)) return;
  check_copy(copy_at(operation, choices_), choices_);
}

void History::check_index_copies() {
  for (Copy& copy : std::exchange(index_copies_, {})) {
    if (!result_.violation) check_copy(std::move(copy), index_choices_);
  }
}

void History::tell(const io::Operation& operation) const {
  std::size_t bytes = 0;
  for (const iovec& part : operation.parts)
    bytes += part.iov_len;
  std::printf("      %.*s of %.*s", static_cast<int>(io::name_of(operation.op).size()),
              io::name_of(operation.op).data(), static_cast<int>(operation.path.size()),
              operation.path.data());
  if (operation.op == io::FaultOp::kWrite)
    std::printf(": %zu bytes at %llu", bytes, static_cast<unsigned long long>(operation.offset));
  std::printf("\n");
}

/// Crashed right before this operation, or in the midst of it.
History::Copy History::copy_at(const io::Operation& operation, Choices& choices) {
  Copy copy;
  copy.world = world_.fork(choices.choose(1 << 30));
  copy.told = "image before " + std::string(io::name_of(operation.op)) + " of " +
              std::string(operation.path);
  copy.crashes_in_recovery = choices.one_in(12);
  if (choices.one_in(2)) {
    copy.crash = Crash::kPowerCut;
    DrawnCrash outcome(choices);
    copy.world->cut_power(outcome);
    copy.counted = outcome.is_torn() ? FaultClass::kTornPowerCut : FaultClass::kPowerCut;
  } else if (write_partly(*copy.world, operation, choices)) {
    copy.counted = FaultClass::kKillInWrite;
  }
  if (copy.crash == Crash::kKill && copy.world->evict()) copy.crash = Crash::kPowerCut;
  return copy;
}

void History::check_copy(Copy copy, Choices& choices) {
  oracle_.expired_for_good_ms = kept_ms_ - kClockLagMs;
  ImageCheck check{oracle_, copy.crash, world_.time_ms(), {}, was_damaged_};
  check.crashes_in_recovery = copy.crashes_in_recovery ? 1 : 0;
  check.explains = options_.trace;
  result_.faults.note(copy.counted);
  if (choices.one_in(4)) {
    copy.world->lose_index();
    result_.faults.note(FaultClass::kIndexLost);
    copy.told += ", index lost";
  }
  trace(copy.told + (copy.crash == Crash::kKill ? ", kill" : ", power cut") +
        (copy.crashes_in_recovery ? ", crashes in recovery" : ""));
  try {
    (void)check_image(*copy.world, check);
  } catch (const Violation& violation) {
    fail_if(std::string(violation.what()));  // not through the engine's frames
  }
  result_.images += check.images;
  result_.faults.add(check.faults);
}

void History::trace(const std::string& what) {
  result_.digest = XXH3_64bits_withSeed(what.data(), what.size(), result_.digest);
  if (!options_.trace) return;
  std::printf("%lld %3zu %s\n", static_cast<long long>(world_.clock.wall_ms()), oracle_.issued(),
              what.c_str());
}

}  // namespace

HistoryResult run_history(const HistoryOptions& options) {
  return History(options).run();
}

}  // namespace kachel::sim
