// The small pieces that notes, checkpoints and proofs are written in. Strict: there is one way to
// write each, so that what was altered is not read as if it was not. Internal to engine/audit.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/audit/merkle.h"

namespace kachel::audit {

/// RFC 4648, section 4, with padding.
std::string to_base64(std::span<const std::byte> bytes);
/// None when it is not base64, or not the only way to write these bytes.
std::optional<std::vector<std::byte>> from_base64(std::string_view text);
std::optional<Hash> hash_from_base64(std::string_view text);
std::string to_hex(std::span<const std::byte> bytes);

/// Without leading zeros, and at most 2^63 - 1.
std::optional<std::uint64_t> parse_decimal(std::string_view text);

/// Takes a line off the front, without its newline. None, and nothing taken, when there is no
/// newline.
std::optional<std::string_view> take_line(std::string_view& text);

/// Whether it is UTF-8 without control characters but newline.
bool is_note_text(std::string_view text);
/// Whether it can name a key: not empty, UTF-8, without spaces of any kind or plus.
bool is_key_name(std::string_view name);

}  // namespace kachel::audit
