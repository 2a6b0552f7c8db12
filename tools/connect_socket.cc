#include "tools/connect_socket.h"

#include <cerrno>
#include <fmt/format.h>
#include <memory>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace kachel::tools {
namespace {

struct AddressListDeleter {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, AddressListDeleter>;

/// -1, and errno says why.
int connect_one(const addrinfo& address, std::chrono::milliseconds patience) {
  const int descriptor =
      ::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, address.ai_protocol);
  if (descriptor < 0) return -1;
  const timeval longest{static_cast<time_t>(patience.count() / 1000),
                        static_cast<suseconds_t>(patience.count() % 1000 * 1000)};
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof(longest));
  ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof(longest));
  if (::connect(descriptor, address.ai_addr, address.ai_addrlen) == 0) return descriptor;
  const int error = errno;
  ::close(descriptor);
  errno = error;
  return -1;
}

}  // namespace

Result<HostAndPort> split_endpoint(const std::string& endpoint, const std::string& forms) {
  const std::size_t colon = endpoint.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == endpoint.size()) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("\"{}\" is no address; write {}", endpoint, forms)};
  }
  std::string host = endpoint.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return HostAndPort{std::move(host), endpoint.substr(colon + 1)};
}

Result<int> connect_socket(const HostAndPort& address, const std::string& endpoint,
                           std::chrono::milliseconds patience, const char* server) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found);
  if (code != 0) {
    return Error{ErrorCode::kNotFound, fmt::format("{}: {}", endpoint, ::gai_strerror(code))};
  }
  const AddressList addresses(found);
  int error = 0;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    const int descriptor = connect_one(*one, patience);
    if (descriptor >= 0) return descriptor;
    error = errno;
  }
  Error failure = os_error(error, "cannot connect to " + endpoint);
  failure.message += fmt::format("; is {} running there? (--connect HOST:PORT)", server);
  return failure;
}

}  // namespace kachel::tools
