// The client's side of TLS on a blocking socket, for what the tools ask of a server.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "io/error.h"

struct ssl_st;

namespace kachel::tools {

/// Files that the environment names: KACHEL_TLS_CA, the authorities that may vouch for a server
/// (none: the system's), and KACHEL_TLS_CERT with KACHEL_TLS_KEY, what says who asks.
class TlsClient {
 public:
  /// Shakes hands as a client of `host`, for which the server's certificate has to be. The
  /// descriptor stays the caller's. kInvalidArgument: a file is not what it should be. kForeign:
  /// the server is not who it should be, or speaks no TLS.
  static Result<std::unique_ptr<TlsClient>> open(int descriptor, const std::string& host);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  /// Bytes written or read, never 0. kIo: the connection has broken; kNotFound: nothing came in the
  /// time that the socket waits.
  Result<std::size_t> write(std::string_view bytes);
  Result<std::size_t> read(char* to, std::size_t room);

 private:
  TlsClient(ssl_st* connection, int descriptor)
      : connection_(connection), descriptor_(descriptor) {}
  Error failure(int result) const;
  ssl_st* connection_;
  int descriptor_;  // the caller's; OpenSSL has its address
};

}  // namespace kachel::tools
