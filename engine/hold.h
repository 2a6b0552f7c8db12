// Holds: what is asked for, and what is said of them. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/mac.h"
#include "engine/receipt_id.h"
#include "io/zeroizing.h"

namespace kachel {

/// The names of a hold: a UUID, which in records and the index stands where others have a MAC.
using HoldId = ReceiptId;
HoldId hold_id(const Mac& mac);
Mac mac_of(const HoldId& id);

struct HoldRequest {
  std::uint32_t tenant = 0;
  std::optional<ZeroizingString> subject;  // nothing: all that the tenant has
  std::string reason;  // one line for the audit log; must not repeat the subject
};

/// A hold in force, as the audit log has it.
struct HoldInfo {
  HoldId id{};
  std::string scope;   // "subject" or "tenant"
  std::string target;  // the subject's keyed hash, 32 hexadecimal digits
  std::int64_t placed_ms = 0;
  std::string reason;
};

inline constexpr std::size_t kMaxHolds = 10'000;  // of a store

}  // namespace kachel
