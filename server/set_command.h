// What SET and its kin have in common: SETEX, PSETEX, SETNX, KACHEL.SET.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/store.h"
#include "server/arguments.h"
#include "server/command.h"

namespace kachel::server {

/// What is said when a put took place, and when its condition did not hold.
enum class PutReply : std::uint8_t { kOkOrNull, kOneOrZero };

struct SetRequest {
  PutOptions options;
  ExpiryOption expiry;
  bool get = false;  // reply with the old value
  PutReply reply = PutReply::kOkOrNull;
};

/// Looks at arguments[at] for NX, XX, EX, PX, EXAT, PXAT and KEEPTTL, as take_expiry() does.
OptionMatch take_set_option(Arguments arguments, std::size_t& at, SetRequest& request);

/// Puts the value under the tenant's policy, and replies. The texts are needed only until it
/// returns.
void run_set(Session& session, std::string_view key, std::string_view value, SetRequest request);

}  // namespace kachel::server
