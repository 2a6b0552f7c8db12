#include "server/http/auth.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <string>
#include <utility>

#include "server/command.h"

namespace kachel::server::http {
namespace {

/// Without the port.
std::string_view host_name(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, std::min(host.find(']'), host.size()) - 1);
  return host.substr(0, host.find(':'));
}

bool is_address_or_localhost(std::string_view host) {
  const std::string name(host_name(host));
  if (name == "localhost") return true;
  boost::system::error_code error;
  boost::asio::ip::make_address(name, error);
  return !error;
}

bool is_from_elsewhere(const Head& head, Entrance entrance) {
  if (!head.origin.empty() || head.fetch_site == "cross-site") return true;
  // Nobody is let in for what he reaches there, only for what he knows.
  if (entrance == Entrance::kNetwork) return false;
  return !is_address_or_localhost(head.host);
}

Authorization refuse(Status status, std::string_view code, std::string detail) {
  return {nullptr, Problem{status, code, std::move(detail)}};
}

/// Nobody when the header is of another kind, or its token nobody's.
PrincipalPointer bearer(std::string_view header, const Authenticator& authenticator) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!equals_ignoring_case(header.substr(0, kScheme.size()), kScheme)) return nullptr;
  return authenticator.by_token(header.substr(kScheme.size()));
}

/// Who it is that calls; nobody when that is not known.
PrincipalPointer recognise(const Head& head, const Caller& caller,
                           const Authenticator& authenticator) {
  if (!head.authorization.empty()) return bearer(head.authorization, authenticator);
  if (!caller.certificate_name.empty()) {
    return authenticator.find(caller.certificate_name, Entrance::kNetwork);
  }
  return authenticator.anonymous(caller.entrance);
}

}  // namespace

Authorization authorize(const Head& head, const Caller& caller, const Authenticator* authenticator,
                        Asks asks_for, std::optional<std::string_view> tenant) {
  if (is_from_elsewhere(head, caller.entrance)) {
    return refuse(Status::forbidden, "foreign-origin",
                  "requests from web pages, and to this port under a host's name, are refused; "
                  "ask 127.0.0.1 or localhost, without an Origin header");
  }
  if (asks_for == Asks::kNothing || authenticator == nullptr) return {};
  const PrincipalPointer principal = recognise(head, caller, *authenticator);
  if (!principal) {
    return refuse(
        Status::unauthorized, "unauthorized",
        "say who you are, with the header Authorization: Bearer TOKEN; `kachel user token` "
        "makes one");
  }
  if (asks_for == Asks::kServer) {
    if (principal->is_admin) return {principal, std::nullopt};
    return refuse(Status::forbidden, "forbidden", "only an administrator may see this");
  }
  if (tenant && *tenant == principal->name) return {principal, std::nullopt};
  PrincipalPointer other =
      tenant && principal->is_admin ? authenticator->find(*tenant, Entrance::kLoopback) : nullptr;
  if (other) return {std::move(other), std::nullopt};
  return refuse(Status::forbidden, "forbidden", "no such tenant, or not yours");
}

}  // namespace kachel::server::http
