// Reading a request's query and its JSON.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string_view>

#include "server/http/exchange.h"

namespace kachel::server::http {

inline constexpr std::size_t kMaxJsonBytes = std::size_t{1} << 20;

/// nullptr when it is not there.
const ZeroizingString* find_parameter(const Exchange& exchange, std::string_view name);

/// Whether parameters besides `database` are somebody else's concern.
enum class Others : std::uint8_t { kRefused, kAllowed };
/// The tenant's database that the query names, 0 otherwise; nothing once it has been refused.
std::optional<Namespace> space_of(Exchange& exchange, Others others = Others::kRefused);

/// The body, an object of no other fields than these; nothing once it has been refused. In memory
/// that is zeroed.
std::optional<boost::json::object> json_body(Exchange& exchange,
                                             std::span<const std::string_view> fields);

}  // namespace kachel::server::http
