// A blocking client of the Redis protocol, as much as the tools need: one request, one bulk
// string back.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/error.h"
#include "io/zeroizing.h"
#include "tools/tls_client.h"

namespace kachel::tools {

/// For what may take a server long.
inline constexpr std::chrono::minutes kLongPatience{10};

class RespClient {
 public:
  /// `endpoint`: HOST:PORT, or rediss://HOST:PORT for TLS (tls_client.h). `patience` is how long an
  /// answer may take. Who says USER:PASSWORD in the environment variable KACHEL_AUTH is that user.
  static Result<RespClient> connect(const std::string& endpoint,
                                    std::chrono::seconds patience = std::chrono::seconds(10));
  RespClient(RespClient&& other) noexcept;
  RespClient& operator=(RespClient&&) = delete;
  ~RespClient();

  /// The reply's text: of a bulk string, or of a simple one. An error reply is an error; kNotFound
  /// when the reply is that there is nothing.
  Result<std::string> ask(const std::vector<std::string>& arguments);
  /// The same in two steps. Several requests may be sent before the first answer is taken.
  Result<void> send_request(const std::vector<std::string>& arguments);
  Result<ZeroizingBytes> take_answer();

 private:
  RespClient(int descriptor, std::chrono::seconds patience)
      : descriptor_(descriptor), patience_(patience) {}
  static Result<RespClient> begin(RespClient client, const std::string& tls_host);
  static Result<RespClient> authenticate(RespClient client);
  Result<void> send(std::string_view bytes);
  Result<void> receive_more();
  Error no_answer() const;
  Result<std::string> read_line();
  Result<ZeroizingBytes> read_bytes(std::size_t bytes);
  Result<std::size_t> receive(char* to, std::size_t room);

  int descriptor_;
  std::chrono::seconds patience_;
  std::unique_ptr<TlsClient> tls_;  // none: in clear
  std::string received_;
};

}  // namespace kachel::tools
