// What the leaves of a store's audit log say: one event each, as JSON. No value, no key and no
// subject is in there: what an erase was about is named by keyed hashes, which only the store
// that has the key can tell.
//
// A leaf's bytes are what Boost.JSON writes: parsing and writing gives the same bytes again, so a
// leaf may stand in a receipt as a JSON object, and be indented by whoever likes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "io/error.h"
#include "io/zeroizing.h"

namespace kachel::audit {

inline constexpr std::size_t kMaxReasonBytes = 512;

/// Names for EraseEvent::scope.
inline constexpr std::string_view kKeysScope = "keys";
inline constexpr std::string_view kSubjectScopeName = "subject";
inline constexpr std::string_view kModelScopeName = "model";
inline constexpr std::string_view kTenantScope = "tenant";

/// An erase is durable: nothing it covers is served any more.
struct EraseEvent {
  std::string id;  // of the receipt: a UUID
  std::int64_t time_ms = 0;
  std::uint32_t tenant = 0;
  std::string scope;
  std::uint32_t database = 0;         // of keys
  std::vector<std::string> targets;   // keyed hashes, 32 hexadecimal digits each; of a tenant none
  std::vector<std::string> fields{};  // likewise, of hashes among the keys
  std::uint64_t sequence = 0;         // covers what has been put before
  std::uint64_t entries = 0;          // of keys and of a tenant: those that were there
  std::string reason;                 // as its caller gave it; may be empty
  bool recovered = false;             // a crash came between the erase and its leaf
};

/// The bytes of an erase have left the store.
struct ReclaimEvent {
  std::string id;  // of the erase
  std::int64_t time_ms = 0;
  std::int64_t fenced_ms = 0;
  std::int64_t swept_ms = 0;     // out of the index's books and the hot tier
  std::int64_t deadline_ms = 0;  // it was to be done by then
  std::uint64_t entries = 0;     // taken out of the index
  std::uint64_t hot_entries = 0, hot_bytes = 0;
  std::uint64_t copies = 0, copy_bytes = 0;  // records in segments, older ones included
  std::vector<std::uint64_t> segments;       // that held them, in order; all are gone
};

/// Nothing of this is destroyed until it is released.
struct HoldEvent {
  std::string id;  // a UUID
  std::int64_t time_ms = 0;
  std::uint32_t tenant = 0;
  std::string scope;           // kSubjectScopeName or kTenantScope
  std::string target;          // of a subject: its keyed hash, 32 hexadecimal digits
  std::uint64_t sequence = 0;  // what was put before is held, as is what comes later
  std::string reason;
  bool recovered = false;  // a crash came between the hold and its leaf
};

struct ReleaseEvent {
  std::string id;  // of the hold
  std::int64_t time_ms = 0;
  std::uint32_t tenant = 0;
  std::string reason;  // may be empty
};

/// From here on other policies are in force.
struct PolicyEvent {
  std::int64_t time_ms = 0;
  std::map<std::string, std::string> tenants;  // what is set, as it is said to people; by name
};

/// Somebody had keys and values shown to him. Written by the tools; to the store it is one of those
/// that it has nothing to do with.
struct DumpEvent {
  std::int64_t time_ms = 0;
  std::map<std::string, std::string> filters;  // in force, keys and subjects as keyed hashes
  std::string reason;
};

/// Something was done with copies of the store.
struct CopyEvent {
  /// "snapshot", "snapshot_deleted", "restore", "following", "caught_up", "doubt_accepted"
  std::string what;
  std::int64_t time_ms = 0;
  std::uint64_t through = 0;  // the sequence that the copy ends with
  std::map<std::string, std::string> details;
};

/// One of a kind that this version does not know, or has nothing to do with.
struct OtherEvent {
  std::string type;
};

using Event =
    std::variant<EraseEvent, ReclaimEvent, HoldEvent, ReleaseEvent, PolicyEvent, OtherEvent>;

std::string leaf_of(const EraseEvent& event);
std::string leaf_of(const ReclaimEvent& event);
std::string leaf_of(const HoldEvent& event);
std::string leaf_of(const ReleaseEvent& event);
std::string leaf_of(const PolicyEvent& event);
std::string leaf_of(const DumpEvent& event);
std::string leaf_of(const CopyEvent& event);
/// kCorrupt when it is no event, or one that lacks what its kind has.
Result<Event> parse_leaf(std::string_view leaf);

/// "1-5,9": of ascending numbers.
std::string ranges_text(const std::vector<std::uint64_t>& ascending);
std::optional<std::vector<std::uint64_t>> parse_ranges(std::string_view text);

/// Why it can't be a reason: kInvalidArgument. It must not repeat any of `names`, which the
/// log would then keep for ever.
Result<void> check_reason(std::string_view reason, const std::vector<ZeroizingString>& names);

}  // namespace kachel::audit
