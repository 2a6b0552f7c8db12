// Writes replies in RESP2 or RESP3 into an output chain. A small value type: pass it by copy.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/entry.h"
#include "io/error.h"
#include "server/output_chain.h"

namespace kachel::server {

enum class Protocol : std::uint8_t { kResp2 = 2, kResp3 = 3 };

class ReplyWriter {
 public:
  ReplyWriter(OutputChain& out, Protocol protocol) : out_(&out), protocol_(protocol) {}

  bool resp3() const { return protocol_ == Protocol::kResp3; }

  void simple(std::string_view text);
  void ok() { simple("OK"); }
  /// `text` begins with the code ("ERR ..."). Line ends become spaces, as in Redis.
  void error(std::string_view text);
  /// "ERR " and the error's message.
  void error(const Error& error);
  void integer(std::int64_t value);
  void integer_unsigned(std::uint64_t value);
  void bulk(std::string_view text);
  void value(const Entry::Pointer& entry);
  void null();
  void null_array();
  void boolean(bool value);  // 1 or 0 in RESP2
  void real(double value);   // a bulk string in RESP2
  /// `format`: three characters ("txt"). A bulk string in RESP2.
  void verbatim(std::string_view format, std::string_view text);

  void array(std::size_t elements) { header('*', elements); }
  /// Followed by `pairs` keys and values; a flat array in RESP2.
  void map(std::size_t pairs);
  /// An array in RESP2.
  void set(std::size_t elements) { header(resp3() ? '~' : '*', elements); }

 private:
  void header(char type, std::uint64_t number);

  OutputChain* out_;
  Protocol protocol_;
};

}  // namespace kachel::server
