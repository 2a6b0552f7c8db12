// A blocking client of the Redis protocol, as much as the tools need: one request, one bulk
// string back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/error.h"

namespace kachel::tools {

class RespClient {
 public:
  /// `endpoint`: HOST:PORT.
  static Result<RespClient> connect(const std::string& endpoint);
  RespClient(RespClient&& other) noexcept;
  RespClient& operator=(RespClient&&) = delete;
  ~RespClient();

  /// The reply's text: of a bulk string, or of a simple one. An error reply is an error; kNotFound
  /// when the reply is that there is nothing.
  Result<std::string> ask(const std::vector<std::string>& arguments);

 private:
  explicit RespClient(int descriptor) : descriptor_(descriptor) {}
  Result<void> send(std::string_view bytes);
  Result<void> receive_more();
  Result<std::string> read_line();
  Result<std::string> read_bytes(std::size_t bytes);

  int descriptor_;
  std::string received_;
};

}  // namespace kachel::tools
