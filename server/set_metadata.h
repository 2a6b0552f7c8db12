// A value's metadata as clients write them, whichever protocol they speak: checked, and entered.
// An error's message says what to write, and names no value.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/entry.h"
#include "io/error.h"

namespace kachel::server {

std::string_view kind_name(Kind kind);
std::string_view tier_name(Tier tier);

Result<void> set_kind(Metadata& metadata, std::string_view text);
Result<void> set_model(Metadata& metadata, std::string_view text);
/// One more; the same again is none.
Result<void> add_subject(Metadata& metadata, std::string_view text);
/// A Unix time in milliseconds that lies ahead.
Result<void> set_erase_by(Metadata& metadata, std::string_view text, std::int64_t now_ms);
/// A whole number from 0; false when it is none.
bool set_amount(std::uint64_t& amount, std::string_view text);

}  // namespace kachel::server
