#include "tests/simulator/oracle.h"

#include <algorithm>

namespace kachel::sim {
namespace {

constexpr std::string_view kWords[] = {"the ",  "cache ", "model ", "answers ", "with ",
                                       "heat ", "tile ",  "and ",   "keeps ",   "it "};

void add(PossibleSet& set, const Possible& possible) {
  if (std::find(set.begin(), set.end(), possible) == set.end()) set.push_back(possible);
}

bool is_alive(const Possible& possible, std::int64_t now_ms) {
  return possible.value != 0 && (possible.expires_at_ms == 0 || possible.expires_at_ms > now_ms);
}

}  // namespace

Oracle::Oracle(std::size_t keys, const Options& options)
    : options_(options), base_(keys, PossibleSet{Possible{}}), had_expiry_(keys) {}

ValueId Oracle::make_value(std::size_t key, std::size_t bytes, bool compressible) {
  const ValueId id = values_.size();
  std::string text = key_name(key) + "#" + std::to_string(id) + ":";
  io::SeededRandom random(id);
  while (text.size() < bytes) {
    const std::uint64_t drawn = random.next();
    if (compressible) {
      text += kWords[drawn % std::size(kWords)];
    } else {
      text.append(reinterpret_cast<const char*>(&drawn), sizeof drawn);
    }
  }
  values_.push_back({key, std::move(text)});
  return id;
}

std::size_t Oracle::begin(const Op& op) {
  ops_.push_back(op);
  if (op.expires_at_ms != 0) had_expiry_[op.key] = true;
  return ops_.size() - 1;
}

void Oracle::end(std::size_t op, OpState state, std::int64_t time_ms) {
  ops_[op].state = state;
  ops_[op].done_ms = time_ms;
}

void Oracle::fold(PossibleSet& set, const Op& op, std::size_t key, View view,
                  bool may_be_undone) const {
  if (op.state == OpState::kNoEffect) return;
  if (op.kind == OpKind::kEvict) return add(set, {});
  const bool many = op.kind == OpKind::kEraseAll || op.kind == OpKind::kEraseSubject;
  if (!many && op.key != key) return;
  const bool open = op.state == OpState::kInFlight || op.state == OpState::kFailed;
  // It may not have reached the log at all although later ones did.
  const bool may_be_unlogged =
      op.state == OpState::kFailed ||
      (view == View::kAfterKill && op.state == OpState::kInFlight) ||
      (view != View::kRunning && device_failed && op.state != OpState::kDone);
  if (op.kind == OpKind::kEraseSubject) return fold_subject(set, op, open || may_be_unlogged);
  if (op.kind == OpKind::kExpire) {
    PossibleSet changed;
    for (const Possible& before : set) {
      if (before.value != 0) add(changed, {before.value, op.expires_at_ms});
      if (before.value == 0 || open) add(changed, before);
    }
    set = std::move(changed);
    return;
  }
  if (!may_be_unlogged) set.clear();
  const bool put = op.kind == OpKind::kPut;
  // What a failed write has left of it is cut off, and that need not be durable yet.
  if (put && (op.state != OpState::kDropped || may_be_undone)) {
    add(set, {op.value, op.expires_at_ms});
  }
  if (!put || op.state != OpState::kDone) add(set, {});
}

void Oracle::fold_subject(PossibleSet& set, const Op& op, bool may_be_undone) {
  PossibleSet changed;
  for (const Possible& before : set) {
    const bool covered = before.value != 0 && subject_of(before.value) == op.subject;
    if (covered) add(changed, {});
    if (!covered || may_be_undone) add(changed, before);
  }
  set = std::move(changed);
}

/// Who was told that a key is absent relies on the erase that this rests on: the operations
/// through it. 0: there is none, or it may be due to something else.
std::size_t Oracle::absence_since(std::size_t index) const {
  for (std::size_t i = index; i > 0; --i) {
    const Op& op = ops_[i - 1];
    const bool all = op.kind == OpKind::kEraseAll || op.kind == OpKind::kEraseSubject;
    if (op.state == OpState::kNoEffect || (!all && op.key != ops_[index].key)) continue;
    const bool erased = all || op.kind == OpKind::kErase;
    return erased && op.state != OpState::kFailed ? i : 0;
  }
  return 0;
}

std::size_t Oracle::required(Crash crash, std::int64_t time_ms) const {
  const bool relaxed = options_.durability == Durability::kRelaxed;
  std::int64_t window_ms = relaxed ? options_.relaxed_interval.count() : 0;
  if (crash >= Crash::kPowerCut) window_ms += options_.sync_interval.count();
  const bool at_once = crash == Crash::kStop || options_.durability == Durability::kStrict ||
                       (crash == Crash::kKill && options_.durability == Durability::kGroup);
  std::size_t least = 0;
  for (std::size_t i = ops_.size(); i > least; --i) {
    const Op& op = ops_[i - 1];
    const bool erase = op.kind == OpKind::kErase || op.kind == OpKind::kEraseAll ||
                       op.kind == OpKind::kEraseSubject;
    if (erase && op.state == OpState::kNoEffect) least = std::max(least, absence_since(i - 1));
    if (op.state != OpState::kDone) continue;
    if (erase || at_once) return i;
    if (windows_hold && op.done_ms + window_ms < time_ms) return i;
  }
  return least;
}

void Oracle::add_to(Digest& digest, Crash crash, std::int64_t time_ms, std::int64_t now_ms) const {
  // Of a time of expiry it matters whether it has come; when, the entry itself must tell.
  const auto add_possible = [&](const Possible& one) {
    digest.add(one.value);
    digest.add(static_cast<std::uint64_t>(one.expires_at_ms));
    digest.add(one.expires_at_ms > std::max(now_ms, expired_for_good_ms));
    digest.add(one.expires_at_ms > latest_ms_);
    digest.add(values_[one.value].key);
    digest.add(values_[one.value].text.size());
  };
  digest.add(static_cast<std::uint64_t>(crash));
  digest.add(static_cast<std::uint64_t>(options_.durability));
  digest.add(required(crash, time_ms));
  digest.add(evicts);
  digest.add(device_failed);
  digest.add(weak);
  for (const PossibleSet& set : base_) {
    digest.add(set.size());
    for (const Possible& one : set)
      add_possible(one);
  }
  for (const Op& op : ops_) {
    digest.add(static_cast<std::uint64_t>(op.kind));
    digest.add(static_cast<std::uint64_t>(op.state));
    digest.add(op.key);
    digest.add(op.subject);
    add_possible({op.value, op.expires_at_ms});
  }
}

bool Oracle::may_be_there(std::size_t key, std::int64_t now_ms) const {
  PossibleSet set = base_[key];
  for (const Op& op : ops_)
    fold(set, op, key, View::kRunning);
  return std::any_of(set.begin(), set.end(),
                     [&](const Possible& one) { return is_alive(one, now_ms); });
}

bool Oracle::may_be_absent(std::size_t key, std::int64_t now_ms) const {
  PossibleSet set = base_[key];
  for (const Op& op : ops_)
    fold(set, op, key, View::kRunning);
  return evicts || std::any_of(set.begin(), set.end(),
                               [&](const Possible& one) { return !is_alive(one, now_ms); });
}

/// The value with this text, which must have been set for this key.
ValueId Oracle::identify(std::size_t key, const std::string& text) const {
  for (ValueId id = values_.size(); id-- > 1;) {
    if (values_[id].key == key && values_[id].text == text) return id;
  }
  throw Violation(key_name(key) + " returned " + std::to_string(text.size()) +
                  " bytes that were never set for it: '" + text.substr(0, 40) + "'");
}

bool Oracle::matches(const PossibleSet& set, const std::optional<Possible>& seen,
                     std::int64_t from_ms, std::int64_t now_ms) const {
  if (!seen && evicts) return true;
  return std::any_of(set.begin(), set.end(), [&](const Possible& one) {
    return seen ? one == *seen && is_alive(one, from_ms) : !is_alive(one, now_ms);
  });
}

void Oracle::check_get(std::size_t key, const std::optional<Sighting>& sighting, std::size_t from,
                       std::int64_t from_ms, std::int64_t now_ms) const {
  std::optional<Possible> seen;
  if (sighting) seen = Possible{identify(key, sighting->value), sighting->expires_at_ms};
  if (weak) return;
  PossibleSet set = base_[key];
  for (std::size_t i = 0; i < from; ++i)
    fold(set, ops_[i], key, View::kRunning);
  bool fits = matches(set, seen, from_ms, now_ms);
  for (std::size_t i = from; i < ops_.size() && !fits; ++i) {
    fold(set, ops_[i], key, View::kRunning);
    fits = matches(set, seen, from_ms, now_ms);
  }
  if (!fits) throw Violation("a get was wrong: " + describe(key, seen));
}

bool Oracle::is_excused(std::size_t key, const std::optional<Possible>& seen, Excuse excuse) const {
  if (excuse == Excuse::kNone) return false;
  return !seen || (excuse == Excuse::kOlder && values_[seen->value].key == key);
}

void Oracle::check_crash(const std::vector<std::optional<Sighting>>& sightings, Crash crash,
                         std::int64_t time_ms, std::int64_t from_ms, std::int64_t now_ms,
                         const std::vector<Excuse>& excuses) const {
  std::vector<std::optional<Possible>> seen(keys());
  std::vector<std::vector<bool>> fits(keys(), std::vector<bool>(ops_.size() + 1));
  // In the midst of a batch, a kill may keep what comes later in it: nothing of it was promised.
  const std::size_t least = required(crash, time_ms);
  const View view = crash == Crash::kPowerCut ? View::kAfterPowerCut : View::kAfterKill;
  const std::int64_t dead_ms = std::max(from_ms, expired_for_good_ms);
  const std::int64_t late_ms = std::max(now_ms, latest_ms_);
  for (std::size_t key = 0; key < keys(); ++key) {
    if (sightings[key]) {
      seen[key] = Possible{identify(key, sightings[key]->value), sightings[key]->expires_at_ms};
    }
    const Excuse excuse = excuses.empty() ? Excuse::kNone : excuses[key];
    PossibleSet set = base_[key];
    for (std::size_t p = 0; p <= ops_.size(); ++p) {
      if (p > 0) fold(set, ops_[p - 1], key, view, crash >= Crash::kPowerCut && p > least);
      fits[key][p] =
          matches(set, seen[key], dead_ms, late_ms) || is_excused(key, seen[key], excuse);
    }
  }
  if (weak) return;
  for (std::size_t p = least; p <= ops_.size(); ++p) {
    if (std::all_of(fits.begin(), fits.end(), [&](const auto& of_key) { return of_key[p]; })) {
      return;
    }
  }
  std::string misfits;
  for (std::size_t key = 0; key < keys(); ++key) {
    std::string prefixes;
    bool all = true;
    for (std::size_t p = least; p <= ops_.size(); ++p) {
      all &= fits[key][p];
      if (fits[key][p]) prefixes += " " + std::to_string(p);
    }
    if (all) continue;
    misfits +=
        "\n  " + describe(key, seen[key]) + "; that fits" + (prefixes.empty() ? " none" : prefixes);
  }
  static constexpr std::string_view kCrashes[] = {"stop", "kill", "power cut",
                                                  "kill and a power cut"};
  throw Violation("after a " + std::string(kCrashes[static_cast<std::size_t>(crash)]) +
                  " the store is no prefix of its history: of " + std::to_string(ops_.size()) +
                  " operations at least " + std::to_string(least) + " must have survived" +
                  misfits);
}

/// What is absent only for having expired, and may be back when a clock is.
PossibleSet Oracle::recently_expired(std::size_t key) const {
  PossibleSet expired;
  PossibleSet set = base_[key];
  for (std::size_t p = 0; p <= ops_.size(); ++p) {
    if (p > 0) fold(set, ops_[p - 1], key, View::kAfterKill);
    for (const Possible& one : set) {
      if (one.expires_at_ms > expired_for_good_ms && !is_alive(one, latest_ms_)) add(expired, one);
    }
  }
  return expired;
}

void Oracle::restart(const std::vector<std::optional<Sighting>>& seen) {
  for (std::size_t key = 0; key < keys(); ++key) {
    if (seen[key]) {
      base_[key] = {{identify(key, seen[key]->value), seen[key]->expires_at_ms}};
    } else {
      base_[key] = recently_expired(key);
      add(base_[key], {});
    }
  }
  ops_.clear();
  device_failed = false;
}

std::string Oracle::describe(std::size_t key, const std::optional<Possible>& seen) const {
  const auto say = [](const Possible& one) {
    if (one.value == 0) return std::string("nothing");
    return "value " + std::to_string(one.value) +
           (subject_of(one.value) == 0 ? "" : " of " + std::to_string(subject_of(one.value))) +
           (one.expires_at_ms == 0 ? "" : " until " + std::to_string(one.expires_at_ms));
  };
  std::string text = key_name(key) + " is " + say(seen.value_or(Possible{})) + "; it was";
  for (const Possible& one : base_[key])
    text += " " + say(one);
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    const Op& op = ops_[i];
    const bool all = op.kind == OpKind::kEraseAll || op.kind == OpKind::kEvict ||
                     op.kind == OpKind::kEraseSubject;
    if (!all && op.key != key) continue;
    static constexpr std::string_view kKinds[] = {"put",       "erase",         "expire",
                                                  "erase all", "erase subject", "evict"};
    static constexpr std::string_view kStates[] = {"in flight", "done", "dropped", "no effect",
                                                   "failed"};
    text += ", " + std::to_string(i + 1) + ": " +
            std::string(kKinds[static_cast<std::size_t>(op.kind)]) + " " +
            (op.kind == OpKind::kEraseSubject ? std::to_string(op.subject)
             : op.kind == OpKind::kPut        ? say({op.value, op.expires_at_ms})
                                              : std::to_string(op.expires_at_ms)) +
            " (" + std::string(kStates[static_cast<std::size_t>(op.state)]) + ")";
  }
  return text;
}

}  // namespace kachel::sim
