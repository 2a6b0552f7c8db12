// What names a receipt: a UUID, chosen by the store, or by who asks for the erase (then asking
// again gives the same receipt).
#pragma once

#include <boost/uuid/uuid.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "io/random.h"

namespace kachel {

using ReceiptId = boost::uuids::uuid;

/// Lower case, as "6ba7b810-9dad-41d1-80b4-00c04fd430c8".
std::string text_of(const ReceiptId& id);
/// Nothing when it is no UUID in that form (either case), or the nil UUID.
std::optional<ReceiptId> parse_receipt_id(std::string_view text);
/// Of version 4.
ReceiptId make_receipt_id(io::Random& random);

}  // namespace kachel
