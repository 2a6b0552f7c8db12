// Commands that make a new value of the old one: INCR, APPEND, HINCRBY... The entry keeps its
// metadata and its expiry. Worker thread only.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "server/operations.h"

namespace kachel::server {

/// What becomes of a value.
struct Edited {
  std::string error;       // not empty: nothing changes, and this is the reply
  bool is_changed = true;  // false: only the reply
  ZeroizingString value;
};

using Edit = std::function<Edited(std::optional<std::string_view> old)>;
using EditReply = std::function<void(ReplyWriter reply, const Edited& edited)>;

/// Edits the string under the key, or makes one.
void edit_string(Session& session, std::string_view key, Edit edit, EditReply reply);
/// The same of a hash's field: a new one takes over the hash's expiry.
void edit_field(Session& session, std::string_view hash, std::string_view field, Edit edit,
                EditReply reply);

/// The new value, which is an integer.
void reply_edited_integer(ReplyWriter reply, const Edited& edited);

/// The sum as INCRBY and HINCRBY have it. `not_a_number`: their error's text.
Edited add_integer(std::optional<std::string_view> old, std::int64_t by,
                   std::string_view not_a_number);
/// As INCRBYFLOAT and HINCRBYFLOAT: 17 digits, no exponent.
Edited add_real(std::optional<std::string_view> old, long double by, std::string_view not_a_number);
/// A number as those take it; nothing when it is none.
std::optional<long double> parse_real(std::string_view text);

}  // namespace kachel::server
