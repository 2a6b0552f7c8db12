#include "engine/dictionary_trainer.h"

#include <algorithm>
#include <utility>

#include "engine/segment_allocator.h"

namespace kachel {
namespace {

constexpr std::uint64_t kSegmentShare = 128;       // a segment has the dictionary twice
constexpr std::size_t kMinDictionaryBytes = 4096;  // below that it is not worth its place
// zstd learns little from more than a hundred times what it keeps.
constexpr std::size_t kTrainingShare = 100;
constexpr std::size_t kMinSampleBytes = 64;
// What zstd makes of a dictionary takes so many times its size in memory.
constexpr std::uint64_t kMemoryShare = 8;
constexpr int kFirstWait = 2;  // looks, after an attempt
constexpr std::int64_t kLongestWaitNs = 3'600'000'000'000;
constexpr std::uint64_t kMisfits = 1000;  // puts that the dictionary could not serve
constexpr std::size_t kLooksPerShard = 256;
// Of erase_within: how long a dictionary serves new values.
constexpr std::int64_t kServiceShare = 2;

}  // namespace

/// One training, from the samples to the dictionary.
struct DictionaryTrainer::Attempt {
  struct Sample {
    Mac mac;
    Entry::Pointer entry;
    std::int64_t expires_at_ms = 0;
  };
  Namespace space;
  std::vector<Sample> samples;
  Dictionary::Pointer dictionary;
};

void DictionaryTrainer::start() {
  if (!core_.options.dictionaries.enabled) return;
  found_ = core_.dictionaries.all();
  schedule_tick();
}

void DictionaryTrainer::schedule_tick() {
  tick_timer_ = core_.env.log_loop.schedule_after(core_.options.dictionaries.look_every, [this] {
    if (stopping_) return;
    schedule_tick();
    look();
  });
}

void DictionaryTrainer::stop(io::Task done) {
  stopping_ = true;
  core_.env.log_loop.cancel(tick_timer_);
  if (!busy_) return done();
  stopped_ = std::move(done);
}

void DictionaryTrainer::look() {
  core_.dictionaries.forget_unused();
  for (const Dictionary::Pointer& dictionary : core_.dictionaries.all()) {
    // What nothing new can be compressed with any more: its segments go as they are due.
    const format::SegmentDictionary& stored = dictionary->stored();
    const bool is_timeless = stored.lowest_expires_ms == 0 && stored.lowest_erase_by_ms == 0;
    const std::int64_t due_ms = dictionary->due_ms();
    const bool is_done = due_ms != 0 && (is_timeless || due_ms <= core_.clock.now_ms());
    if ((is_done || would_be_brief()) &&
        core_.dictionaries.current(dictionary->tenant()) == dictionary) {
      core_.dictionaries.depose(dictionary->tenant());
    }
  }
  if (busy_ || !core_.writable || core_.no_room) return;
  if (!found_.empty()) return check_found();
  if (would_be_brief() || !has_memory_for(1)) return;
  for (const std::uint32_t tenant : core_.live_counts.tenants()) {
    if (!wants_one(tenant, tenants_[tenant])) continue;
    return begin(tenant);
  }
}

bool DictionaryTrainer::would_be_brief() const {
  return core_.erase_within_ms < core_.options.dictionaries.least_erase_within.count();
}

bool DictionaryTrainer::wants_one(std::uint32_t tenant, const Tenant& state) const {
  if (core_.env.clock.monotonic_ns() < state.next_ns) return false;
  const std::uint64_t entries = core_.live_counts.of(core_.live_counts.largest_of(tenant));
  if (entries < core_.options.dictionaries.min_samples) return false;
  const auto current = core_.dictionaries.current(tenant);
  // Another one may have to take its place at any time.
  return !current || current->misfits() >= kMisfits || (is_old(*current) && has_memory_for(2));
}

/// Where room is made by evicting what is oldest, what it was trained on goes before the first
/// values that it serves, and these are due `erase_within` after that. The last ones are evicted
/// by then as well, instead of being written once more, if it serves no longer than that.
bool DictionaryTrainer::is_old(const Dictionary& dictionary) const {
  const std::int64_t age_ms = core_.clock.now_ms() - dictionary.stored().created_ms;
  return age_ms >= core_.erase_within_ms / kServiceShare;
}

bool DictionaryTrainer::has_memory_for(std::uint64_t dictionaries) const {
  const std::uint64_t room = MemoryPlan::of(core_.memory_bytes).dictionary_bytes;
  const std::uint64_t wanted = dictionaries * kMemoryShare * dictionary_bytes();
  return core_.dictionaries.memory_bytes() + wanted <= room;
}

std::size_t DictionaryTrainer::dictionary_bytes() const {
  const std::uint64_t share = choose_segment_bytes(core_.options) / kSegmentShare;
  return std::min(core_.options.dictionaries.max_bytes,
                  std::max<std::uint64_t>(share, kMinDictionaryBytes));
}

void DictionaryTrainer::begin(std::uint32_t tenant) {
  busy_ = true;
  auto attempt = std::make_shared<Attempt>();
  attempt->space = core_.live_counts.largest_of(tenant);
  core_.env.pool.run([this, attempt] {
    collect(*attempt);
    if (attempt->samples.size() >= core_.options.dictionaries.min_samples) train(*attempt);
    core_.env.log_loop.post([this, attempt] { on_trained(attempt); });
  });
}

/// What the hot tier has of the namespace, what is likely to live longest first. Pool thread.
void DictionaryTrainer::collect(Attempt& attempt) const {
  const std::int64_t now_ms = core_.clock.now_ms();
  std::vector<Attempt::Sample> samples;
  for (Shard& shard : core_.shards) {
    const std::lock_guard lock(shard.mutex);
    std::size_t looks = 0;
    shard.hot.visit([&](const Mac& mac, const HotItem& item) {
      const std::size_t bytes = item.entry->value().size();
      const bool is_alive = item.expires_at_ms == 0 || item.expires_at_ms > now_ms;
      if (item.space == attempt.space && is_alive && bytes >= kMinSampleBytes &&
          bytes <= kMaxDictionaryValueBytes && item.entry->metadata.kind != Kind::kEmbedding) {
        samples.push_back({mac, item.entry, item.expires_at_ms});
      }
      return ++looks < kLooksPerShard;
    });
  }
  // 0 is never, and comes first; among equals the youngest does, which is evicted last.
  const auto life_of = [](const Attempt::Sample& sample) {
    const std::int64_t death_ms = earlier(sample.expires_at_ms, sample.entry->metadata.erase_by_ms);
    return std::pair(death_ms == 0 ? INT64_MAX : death_ms, sample.entry->version);
  };
  std::sort(samples.begin(), samples.end(),
            [&](const auto& a, const auto& b) { return life_of(a) > life_of(b); });
  std::size_t bytes = 0;
  for (Attempt::Sample& sample : samples) {
    bytes += sample.entry->value().size();
    if (attempt.samples.size() == core_.options.dictionaries.max_samples) break;
    if (bytes > kTrainingShare * dictionary_bytes()) break;
    attempt.samples.push_back(std::move(sample));
  }
}

/// Pool thread.
void DictionaryTrainer::train(Attempt& attempt) const {
  format::SegmentDictionary stored;
  for (const Attempt::Sample& sample : attempt.samples) {
    const Entry& entry = *sample.entry;
    stored.samples.push_back({sample.mac, entry.version});
    for (const ScopeTag tag : entry.tags)
      stored.scopes.push_back({tag, entry.version});
    stored.lowest_expires_ms = earlier(stored.lowest_expires_ms, sample.expires_at_ms);
    stored.lowest_erase_by_ms = earlier(stored.lowest_erase_by_ms, entry.metadata.erase_by_ms);
  }
  const std::int64_t due_ms = natural_due_ms(stored, core_.erase_within_ms);
  // Those that live longest come first.
  const Attempt::Sample& typical = attempt.samples[attempt.samples.size() / 2];
  const std::int64_t death_ms = earlier(typical.expires_at_ms, typical.entry->metadata.erase_by_ms);
  if (!outlives(due_ms, death_ms, core_.clock.now_ms())) return;
  ZeroizingBytes text;
  std::vector<std::size_t> sizes;
  for (const Attempt::Sample& sample : attempt.samples) {
    const auto value = std::as_bytes(std::span(sample.entry->value()));
    text.insert(text.end(), value.begin(), value.end());
    sizes.push_back(value.size());
  }
  auto content = train_dictionary(text, sizes, dictionary_bytes());
  if (!content) return;
  std::sort(stored.samples.begin(), stored.samples.end());
  std::sort(stored.scopes.begin(), stored.scopes.end());
  // The first of each tag has the lowest version.
  const auto same_tag = [](const auto& a, const auto& b) { return a.tag == b.tag; };
  stored.scopes.erase(std::unique(stored.scopes.begin(), stored.scopes.end(), same_tag),
                      stored.scopes.end());
  while (stored.id == 0)
    core_.env.random.fill(std::as_writable_bytes(std::span(&stored.id, 1)));
  stored.space = attempt.space;
  stored.created_ms = core_.clock.now_ms();
  stored.content = std::move(*content);
  auto made =
      Dictionary::make(std::move(stored), core_.options.dictionaries.level, core_.erase_within_ms);
  if (made) attempt.dictionary = std::move(*made);
}

void DictionaryTrainer::on_trained(const std::shared_ptr<Attempt>& attempt) {
  const std::uint32_t tenant = attempt->space.tenant;
  attempt->samples.clear();
  if (!attempt->dictionary || stopping_) return finish(tenant, false);
  bump(core_.counters.dictionaries_trained);
  core_.dictionaries.add(attempt->dictionary);
  // What it was trained on and is still on its way to the index is there then.
  log_.when_applied([this, attempt, tenant] {
    check(attempt->dictionary, [this, attempt, tenant](bool lives) {
      if (lives) {
        core_.dictionaries.elect(attempt->dictionary);
      } else {
        bump(core_.counters.dictionaries_discarded);
      }
      attempt->dictionary.reset();
      finish(tenant, lives);
    });
  });
}

/// Whether nothing of what it was trained on has died.
void DictionaryTrainer::check(const Dictionary::Pointer& dictionary,
                              UniqueFunction<void(bool)> done) {
  const std::int64_t due_before_ms = dictionary->due_ms();
  core_.env.pool.run([this, dictionary, due_before_ms, done = std::move(done)]() mutable {
    const bool lives = all_live(*dictionary);
    core_.env.log_loop.post([dictionary, due_before_ms, done = std::move(done), lives]() mutable {
      const bool lives_on = lives && dictionary->due_ms() == due_before_ms;
      if (lives_on) dictionary->vouch();
      done(lives_on);
    });
  });
}

/// Pool thread.
bool DictionaryTrainer::all_live(const Dictionary& dictionary) const {
  const Namespace space = dictionary.stored().space;
  return std::all_of(
      dictionary.stored().samples.begin(), dictionary.stored().samples.end(),
      [&](const format::DictionarySample& sample) {
        const Lookup lookup = core_.index->find({space, sample.mac}, Where::kAnywhere);
        const Row& row = lookup.row;
        return lookup.status == LookupStatus::kFound && row.version == sample.version &&
               core_.segments.contains(row.segment_id) &&
               !core_.is_refused(space, row.version, row.tags);
      });
}

/// One of those that the start has found.
void DictionaryTrainer::check_found() {
  busy_ = true;
  const Dictionary::Pointer dictionary = found_.back();
  found_.pop_back();
  log_.when_applied([this, dictionary] {
    check(dictionary, [this, dictionary](bool lives) {
      const auto current = core_.dictionaries.current(dictionary->tenant());
      const bool is_newer =
          !current || current->stored().created_ms < dictionary->stored().created_ms;
      if (lives && is_newer) core_.dictionaries.elect(dictionary);
      if (!lives) {
        // When it died may not be known any more, with an index that was lost.
        const std::int64_t due_ms = deadline_after(core_.clock.now_ms(), core_.erase_within_ms);
        DictionaryTable::note_due(dictionary, due_ms, core_.segments);
      }
      finish(dictionary->tenant(), true);
    });
  });
}

void DictionaryTrainer::finish(std::uint32_t tenant, bool succeeded) {
  busy_ = false;
  Tenant& state = tenants_[tenant];
  const std::int64_t first_ns =
      std::chrono::nanoseconds(kFirstWait * core_.options.dictionaries.look_every).count();
  state.wait_ns = succeeded ? 0 : std::clamp(state.wait_ns * 2, first_ns, kLongestWaitNs);
  state.next_ns = core_.env.clock.monotonic_ns() + std::max(state.wait_ns, first_ns);
  if (stopped_) std::exchange(stopped_, nullptr)();
}

}  // namespace kachel
