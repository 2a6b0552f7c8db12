// Finding a server by HOST:PORT, and a socket to it. Blocking.
#pragma once

#include <chrono>
#include <string>

#include "io/error.h"

namespace kachel::tools {

struct HostAndPort {
  std::string host;  // without the brackets of an IPv6 address
  std::string port;
};

/// kInvalidArgument when it is none; `forms` says what it may look like.
Result<HostAndPort> split_endpoint(const std::string& endpoint,
                                   const std::string& forms = "HOST:PORT");

/// A descriptor, the caller's to close, that waits no longer than `patience` for the other side.
/// `endpoint` is for messages, which call the server `server`. kNotFound when the host is not
/// known; kIo.
Result<int> connect_socket(const HostAndPort& address, const std::string& endpoint,
                           std::chrono::milliseconds patience, const char* server);

}  // namespace kachel::tools
