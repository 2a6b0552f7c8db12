// Whether a text is JSON. Without building it in memory: it may be as large as a value.
#pragma once

#include <string>
#include <string_view>

namespace kachel::server {

/// Why it is not, with the place in bytes; empty when it is.
std::string json_fault(std::string_view text);

}  // namespace kachel::server
