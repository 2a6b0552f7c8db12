#include <cerrno>
#include <fmt/format.h>
#include <memory>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tools/bench/connection.h"

namespace kachel::bench {
namespace {

struct FoundDeleter {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using FoundAddresses = std::unique_ptr<addrinfo, FoundDeleter>;

Result<FoundAddresses> look_up(const std::string& endpoint) {
  const std::size_t colon = endpoint.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == endpoint.size()) {
    return invalid(fmt::format("\"{}\" is no address; write HOST:PORT", endpoint));
  }
  std::string host = endpoint.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(host.c_str(), endpoint.substr(colon + 1).c_str(), &hints, &found);
  if (code != 0) {
    return Error{ErrorCode::kNotFound, fmt::format("{}: {}", endpoint, ::gai_strerror(code))};
  }
  return FoundAddresses(found);
}

int connect_one(const addrinfo& address, std::int64_t patience_ms) {
  const int descriptor =
      ::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, address.ai_protocol);
  if (descriptor < 0) return -1;
  const timeval longest{patience_ms / 1000, patience_ms % 1000 * 1000};
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof(longest));
  ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof(longest));
  if (::connect(descriptor, address.ai_addr, address.ai_addrlen) == 0) return descriptor;
  const int error = errno;
  ::close(descriptor);
  errno = error;
  return -1;
}

}  // namespace

Result<int> connect_socket(const std::string& endpoint, std::int64_t patience_ms) {
  const auto addresses = look_up(endpoint);
  if (!addresses) return addresses.error();
  int error = 0;
  for (const addrinfo* address = addresses->get(); address != nullptr; address = address->ai_next) {
    const int descriptor = connect_one(*address, patience_ms);
    if (descriptor >= 0) return descriptor;
    error = errno;
  }
  Error failure = os_error(error, "cannot connect to " + endpoint);
  failure.message += "; is a server running there? (--connect HOST:PORT)";
  return failure;
}

}  // namespace kachel::bench
