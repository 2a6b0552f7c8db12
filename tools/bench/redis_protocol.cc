#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include "tools/bench/protocol.h"

namespace kachel::bench {
namespace {

constexpr std::string_view kEnd = "\r\n";

Error not_redis() {
  return {ErrorCode::kForeign, "the answer is not the Redis protocol"};
}

void append_bulk(RequestBuffer& out, std::string_view bytes) {
  out.append("$");
  out.append_number(bytes.size());
  out.append(kEnd);
  out.append(bytes);
  out.append(kEnd);
}

void append_number_bulk(RequestBuffer& out, std::uint64_t number) {
  char digits[20];
  const char* const end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
  append_bulk(out, {digits, static_cast<std::size_t>(end - digits)});
}

class RedisProtocol final : public Protocol {
 public:
  void get(RequestBuffer& out, std::string_view key) const override {
    out.append("*2\r\n$3\r\nGET\r\n");
    append_bulk(out, key);
  }

  void set(RequestBuffer& out, std::string_view key, std::string_view value,
           std::uint64_t ttl_ms) const override {
    out.append(ttl_ms == 0 ? "*3\r\n$3\r\nSET\r\n" : "*5\r\n$3\r\nSET\r\n");
    append_bulk(out, key);
    append_bulk(out, value);
    if (ttl_ms == 0) return;
    out.append("$2\r\nPX\r\n");
    append_number_bulk(out, ttl_ms);
  }

  void remove(RequestBuffer& out, std::string_view key) const override {
    out.append("*2\r\n$3\r\nDEL\r\n");
    append_bulk(out, key);
  }

  void expire(RequestBuffer& out, std::string_view key, std::uint64_t ttl_ms) const override {
    out.append("*3\r\n$7\r\nPEXPIRE\r\n");
    append_bulk(out, key);
    append_number_bulk(out, ttl_ms);
  }

  void ping(RequestBuffer& out) const override { out.append("*1\r\n$4\r\nPING\r\n"); }

  bool authenticate(RequestBuffer& out, const std::string& user,
                    const std::string& password) const override {
    out.append(user.empty() ? "*2\r\n$4\r\nAUTH\r\n" : "*3\r\n$4\r\nAUTH\r\n");
    if (!user.empty()) append_bulk(out, user);
    append_bulk(out, password);
    return true;
  }

  Result<Parsed> parse(std::string_view received) const override {
    const std::size_t end = received.substr(0, kMaxReplyLineBytes).find(kEnd);
    if (end == std::string_view::npos) {
      if (received.size() >= kMaxReplyLineBytes) return not_redis();
      return Parsed{0, received.size() + 1, {}};
    }
    const std::string_view line = received.substr(1, end - std::min<std::size_t>(end, 1));
    const std::size_t used = end + kEnd.size();
    switch (received.front()) {
      case '+':
      case ':':
        return Parsed{used, 0, {ReplyKind::kOk, line}};
      case '-':
        return Parsed{used, 0, {ReplyKind::kError, line}};
      case '_':
        return Parsed{used, 0, {ReplyKind::kMiss, {}}};
      case '$':
        return parse_bulk(received, line, used);
      default:
        return not_redis();
    }
  }

 private:
  static Result<Parsed> parse_bulk(std::string_view received, std::string_view line,
                                   std::size_t begin) {
    if (line == "-1") return Parsed{begin, 0, {ReplyKind::kMiss, {}}};
    std::size_t length = 0;
    const auto [end, code] = std::from_chars(line.data(), line.data() + line.size(), length);
    if (code != std::errc{} || end != line.data() + line.size() || length > kMaxReplyBytes) {
      return not_redis();
    }
    const std::size_t all = begin + length + kEnd.size();
    if (received.size() < all) return Parsed{0, all, {}};
    if (received.substr(begin + length, kEnd.size()) != kEnd) return not_redis();
    return Parsed{all, 0, {ReplyKind::kValue, received.substr(begin, length)}};
  }
};

}  // namespace

std::unique_ptr<Protocol> redis_protocol() {
  return std::make_unique<RedisProtocol>();
}

Result<std::unique_ptr<Protocol>> make_protocol(std::string_view name) {
  if (name == "redis") return redis_protocol();
  if (name == "memcached") return memcached_protocol();
  return invalid(fmt::format("\"{}\" is no protocol: write redis or memcached", name));
}

}  // namespace kachel::bench
