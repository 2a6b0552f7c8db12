// Who asks, and whether they may. The one place that decides it.
//
// A bearer token says whose request it is, or else the certificate that the client has shown;
// without either it is whoever says nothing about himself, if there is such a user. A web page in a
// browser on this machine reaches the port too: what comes from another origin, or under a name
// that somebody else's DNS gave to 127.0.0.1, is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "server/authenticator.h"
#include "server/http/exchange.h"
#include "server/http/routes.h"

namespace kachel::server::http {

struct Authorization {
  PrincipalPointer principal;  // whose entries it is about, where the path names a tenant
  std::optional<Problem> refusal;
};

/// `authenticator`: nullptr while the store is being opened. `tenant`: the one that the path names.
Authorization authorize(const Head& head, const Caller& caller, const Authenticator* authenticator,
                        Asks asks_for, std::optional<std::string_view> tenant);

}  // namespace kachel::server::http
