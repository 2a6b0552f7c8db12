// What is said to a server and what it answers, apart from sockets: each protocol is stateless and
// shared by all threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "io/error.h"
#include "tools/bench/byte_buffers.h"

namespace kachel::bench {

enum class ReplyKind : std::uint8_t {
  kOk,     // done, or a number, or nothing to be done
  kValue,  // `text` is the value
  kMiss,
  kError,  // `text` is what the server says
};

struct Reply {
  ReplyKind kind = ReplyKind::kOk;
  std::string_view text;  // in the bytes it was parsed from
};

struct Parsed {
  std::size_t used = 0;    // bytes of the reply; 0: it is not all there
  std::size_t wanted = 0;  // then, how many it has, as far as is known
  Reply reply;
};

class Protocol {
 public:
  virtual ~Protocol() = default;

  virtual void get(RequestBuffer& out, std::string_view key) const = 0;
  /// `ttl_ms` 0: for good.
  virtual void set(RequestBuffer& out, std::string_view key, std::string_view value,
                   std::uint64_t ttl_ms) const = 0;
  virtual void remove(RequestBuffer& out, std::string_view key) const = 0;
  virtual void expire(RequestBuffer& out, std::string_view key, std::uint64_t ttl_ms) const = 0;
  virtual void ping(RequestBuffer& out) const = 0;
  /// False if the protocol has no such thing.
  virtual bool authenticate(RequestBuffer& out, const std::string& user,
                            const std::string& password) const = 0;

  /// The reply that `received` begins with. kForeign if that is not the protocol.
  virtual Result<Parsed> parse(std::string_view received) const = 0;
};

/// "redis" (RESP2) or "memcached" (its text protocol).
Result<std::unique_ptr<Protocol>> make_protocol(std::string_view name);

// The protocols one by one, for make_protocol().
std::unique_ptr<Protocol> redis_protocol();
std::unique_ptr<Protocol> memcached_protocol();

inline constexpr std::size_t kMaxReplyBytes = std::size_t{1} << 30U;
inline constexpr std::size_t kMaxReplyLineBytes = 64 * 1024;

}  // namespace kachel::bench
