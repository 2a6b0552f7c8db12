// What may be read, and what must be there after a crash: a model of the store that knows only
// what was asked of it and what it answered.
//
// Operations are kept in the order in which they were issued, which is the order of their
// sequence numbers. What is left after a crash must be the state after some prefix of them (no
// hole), a prefix that includes all that was promised by then. While the outcome of an
// operation is open, each key has a set of possible states.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/options.h"
#include "tests/simulator/digest.h"
#include "tests/simulator/kept.h"
#include "tests/simulator/world.h"

namespace kachel::sim {

using ValueId = std::uint64_t;  // 0: no entry

struct Possible {
  ValueId value = 0;
  std::int64_t expires_at_ms = 0;  // 0: never
  friend bool operator==(const Possible&, const Possible&) = default;
};
using PossibleSet = std::vector<Possible>;

enum class OpKind : std::uint8_t {
  kPut,
  kErase,
  kExpire,
  kEraseAll,
  kEraseSubject,
  kEvict,  // any entry may be gone from here on
};
enum class OpState : std::uint8_t {
  kInFlight,
  kDone,      // acknowledged
  kDropped,   // acknowledged as not stored: no older value is left
  kNoEffect,  // there was nothing to do
  kFailed,    // an error: it may have happened or not
};

struct Op {
  OpKind kind = OpKind::kPut;
  std::size_t key = 0;
  ValueId value = 0;               // kPut
  std::int64_t expires_at_ms = 0;  // kPut, kExpire
  std::size_t subject = 0;         // kEraseSubject
  OpState state = OpState::kInFlight;
  std::int64_t done_ms = 0;  // on the world's clock
};

enum class Crash : std::uint8_t {
  kStop,  // in order: nothing is lost
  kKill,
  kPowerCut,
  kKillThenPowerCut,  // before the start after the kill had ended
};

/// How far damage excuses what is read of a key.
enum class Excuse : std::uint8_t {
  kNone,
  kMissing,  // it may be missing
  kOlder,    // it may be missing, or as it was at any earlier time
};

class Oracle {
 public:
  Oracle(std::size_t keys, const Options& options);

  std::size_t keys() const { return base_.size(); }
  static std::string key_name(std::size_t key) { return World::key_name(key); }
  /// A new value for the key; `bytes` long at least.
  ValueId make_value(std::size_t key, std::size_t bytes, bool compressible);
  const std::string& text(ValueId value) const { return values_[value].text; }
  /// Whom a value is about; 0: nobody.
  static constexpr std::size_t kSubjects = 3;
  ValueId next_value() const { return values_.size(); }
  static std::size_t subject_of(ValueId value) { return value % (kSubjects + 1); }
  static std::string subject_name(std::size_t subject) {
    return "subject" + std::to_string(subject);
  }

  std::size_t begin(const Op& op);
  void end(std::size_t op, OpState state, std::int64_t time_ms);
  std::size_t issued() const { return ops_.size(); }
  const Op& op(std::size_t index) const { return ops_[index]; }

  /// Whether the key may be there (or not) for an operation issued now.
  bool may_be_there(std::size_t key, std::int64_t now_ms) const;
  bool may_be_absent(std::size_t key, std::int64_t now_ms) const;
  /// Whether the key was ever given an expiry.
  bool had_expiry(std::size_t key) const { return had_expiry_[key]; }
  /// Checks what a get saw that was issued after `from` operations, at `from_ms` of the store's
  /// clock, and answered now. Throws Violation.
  void check_get(std::size_t key, const std::optional<Sighting>& seen, std::size_t from,
                 std::int64_t from_ms, std::int64_t now_ms) const;

  /// Checks what is left after a crash at `time_ms` of the world's clock, seen between `from_ms`
  /// and `now_ms` of the store's. Throws Violation.
  void check_crash(const std::vector<std::optional<Sighting>>& seen, Crash crash,
                   std::int64_t time_ms, std::int64_t from_ms, std::int64_t now_ms,
                   const std::vector<Excuse>& excuses = {}) const;
  /// The world goes on from what was seen.
  void restart(const std::vector<std::optional<Sighting>>& seen);
  /// How many of the operations must have survived.
  std::size_t required(Crash crash, std::int64_t time_ms) const;
  /// Adds all that check_crash() would go by at these times.
  void add_to(Digest& digest, Crash crash, std::int64_t time_ms, std::int64_t now_ms) const;

  // What the world may do, set by whoever makes it.
  bool evicts = false;         // space is short: any entry may be gone
  bool device_failed = false;  // since the start: what was dropped may not even be logged
  bool windows_hold = true;    // syncs are neither slow nor failing
  bool weak = false;           // the device lied: only that values are genuine
  /// Tells what the store's clock shows: what has expired by then may be gone for good, even if
  /// the clock of the next start lags behind.
  void note_time(std::int64_t now_ms) { latest_ms_ = std::max(latest_ms_, now_ms); }
  /// Of the last erase that was acknowledged with one: it must be known from then on.
  std::optional<ReceiptId> last_receipt;
  /// Holds that were acknowledged, and whose release nobody has asked for.
  std::map<HoldId, Kept> holds;
  /// What may un-expire: nothing that expired before this time of the store's clock.
  std::int64_t expired_for_good_ms = 0;

 private:
  struct Value {
    std::size_t key = 0;
    std::string text;
  };
  enum class View : std::uint8_t { kRunning, kAfterKill, kAfterPowerCut };

  std::size_t absence_since(std::size_t index) const;
  /// `may_be_undone`: the power was cut, and the operation need not have survived.
  void fold(PossibleSet& set, const Op& op, std::size_t key, View view,
            bool may_be_undone = false) const;
  static void fold_subject(PossibleSet& set, const Op& op, bool may_be_undone);
  PossibleSet recently_expired(std::size_t key) const;
  ValueId identify(std::size_t key, const std::string& text) const;
  bool matches(const PossibleSet& set, const std::optional<Possible>& seen, std::int64_t from_ms,
               std::int64_t now_ms) const;
  bool is_excused(std::size_t key, const std::optional<Possible>& seen, Excuse excuse) const;
  std::string describe(std::size_t key, const std::optional<Possible>& seen) const;

  Options options_;
  std::vector<Value> values_{Value{}};
  std::vector<PossibleSet> base_;
  std::int64_t latest_ms_ = 0;
  std::vector<bool> had_expiry_;
  std::vector<Op> ops_;
};

}  // namespace kachel::sim
