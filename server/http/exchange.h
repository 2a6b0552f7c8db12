// One request on its way through the handlers, and where its answer goes. HTTP thread only.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/store.h"
#include "server/authenticator.h"
#include "server/http/message.h"
#include "server/policy_source.h"
#include "server/server_state.h"

namespace kachel::server::http {

struct Route;

/// What requests are answered from, once the store is open.
struct Services {
  Store& store;
  Worker& worker;
  ServerState& state;
  WorkerCounters& counters;
  PolicyReader& policies;
};

/// What the HTTP port counts about itself.
struct HttpNumbers {
  std::size_t connections = 0;  // now
  std::uint64_t connections_total = 0;
  std::uint64_t connections_refused = 0;
  std::uint64_t tls_handshakes = 0;
  std::uint64_t tls_handshakes_failed = 0;
  std::map<std::pair<std::string_view, unsigned>, std::uint64_t> requests;  // by operation, status
};

/// The head of a request. Views, valid as long as the exchange.
struct Head {
  Verb method = Verb::unknown;
  std::string_view target;
  std::string_view host;
  std::string_view origin;
  std::string_view fetch_site;  // Sec-Fetch-Site, of browsers
  std::string_view authorization;
  std::string_view content_type;
  std::string_view if_match;
  std::string_view if_none_match;
};

/// How a request has come.
struct Caller {
  Entrance entrance = Entrance::kLoopback;
  std::string certificate_name;  // the user whom his certificate names; empty: has shown none
};

class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  using Pointer = std::shared_ptr<Exchange>;
  virtual ~Exchange() = default;
  Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  Head head;
  Caller caller;
  std::string_view body;
  std::string request_id;
  // Found by the routes, then by authorize().
  const Route* route = nullptr;
  std::vector<ZeroizingString> path;  // the parts of the pattern in braces, decoded
  std::vector<Parameter> query;
  PrincipalPointer principal;  // whose entries it is about; none where the route names no tenant

  /// Only where the route needs the store.
  Services& services() const { return *services_; }
  std::uint32_t tenant() const { return principal->tenant; }
  bool has_store() const { return services_ != nullptr; }
  const HttpNumbers& numbers() const { return *numbers_; }

  /// Exactly once; last, as what the request was is gone then.
  void reply(Reply reply) { send(std::move(reply)); }
  void refuse(const Problem& problem) { send(problem_reply(problem, request_id)); }
  void refuse(const Error& error) { refuse(problem_of(error)); }
  /// Nobody is there any more to read the answer.
  virtual bool has_left() { return false; }

 protected:
  virtual void send(Reply reply) = 0;

  Services* services_ = nullptr;
  const HttpNumbers* numbers_ = nullptr;
};

}  // namespace kachel::server::http
