// Who asks, and whether they may. The one place that decides it.
//
// As long as there is no authentication everybody who reaches the port is the tenant `default`; the
// port listens on this machine only. A web page in a browser on this machine reaches it too: what
// comes from another origin, or under a name that somebody else's DNS gave to 127.0.0.1, is
// refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "server/http/exchange.h"

namespace kachel::server::http {

struct Authorization {
  std::uint32_t tenant = 0;
  std::optional<Problem> refusal;
};

/// `tenant`: the one that the path names; nothing where it names none, as /metrics.
Authorization authorize(const Head& head, std::optional<std::string_view> tenant);

}  // namespace kachel::server::http
