// docs/openapi.yaml, as it was when this was built.
#pragma once

#include <string_view>

namespace kachel::server::http {

std::string_view openapi_text();

}  // namespace kachel::server::http
