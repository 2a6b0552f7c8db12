// The text protocol of memcached, as its doc/protocol.txt has it: what a cache is compared with.
#include <charconv>

#include "tools/bench/protocol.h"

namespace kachel::bench {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kValueEnd = "\r\nEND\r\n";

Error not_memcached() {
  return {ErrorCode::kForeign, "the answer is not memcached's text protocol"};
}

// Seconds, rounded up; beyond 30 days memcached takes the number for a point in time.
std::uint64_t seconds_of(std::uint64_t ttl_ms) {
  return (ttl_ms + 999) / 1000;
}

class MemcachedProtocol final : public Protocol {
 public:
  void get(RequestBuffer& out, std::string_view key) const override {
    out.append("get ");
    out.append(key);
    out.append(kLineEnd);
  }

  void set(RequestBuffer& out, std::string_view key, std::string_view value,
           std::uint64_t ttl_ms) const override {
    out.append("set ");
    out.append(key);
    out.append(" 0 ");
    out.append_number(seconds_of(ttl_ms));
    out.append(" ");
    out.append_number(value.size());
    out.append(kLineEnd);
    out.append(value);
    out.append(kLineEnd);
  }

  void remove(RequestBuffer& out, std::string_view key) const override {
    out.append("delete ");
    out.append(key);
    out.append(kLineEnd);
  }

  void expire(RequestBuffer& out, std::string_view key, std::uint64_t ttl_ms) const override {
    out.append("touch ");
    out.append(key);
    out.append(" ");
    out.append_number(seconds_of(ttl_ms));
    out.append(kLineEnd);
  }

  void ping(RequestBuffer& out) const override { out.append("version\r\n"); }

  bool authenticate(RequestBuffer&, const std::string&, const std::string&) const override {
    return false;
  }

  Result<Parsed> parse(std::string_view received) const override {
    const std::size_t end = received.substr(0, kMaxReplyLineBytes).find(kLineEnd);
    if (end == std::string_view::npos) {
      if (received.size() >= kMaxReplyLineBytes) return not_memcached();
      return Parsed{0, received.size() + 1, {}};
    }
    const std::string_view line = received.substr(0, end);
    const std::size_t used = end + kLineEnd.size();
    if (line.starts_with("VALUE ")) return parse_value(received, line, used);
    if (line == "END") return Parsed{used, 0, {ReplyKind::kMiss, {}}};
    if (line == "ERROR" || line.starts_with("CLIENT_ERROR") || line.starts_with("SERVER_ERROR")) {
      return Parsed{used, 0, {ReplyKind::kError, line}};
    }
    if (line == "STORED" || line == "NOT_STORED" || line == "DELETED" || line == "NOT_FOUND" ||
        line == "TOUCHED" || line.starts_with("VERSION ")) {
      return Parsed{used, 0, {ReplyKind::kOk, line}};
    }
    return not_memcached();
  }

 private:
  /// "VALUE key flags bytes", the bytes, and the END of a request for one key.
  static Result<Parsed> parse_value(std::string_view received, std::string_view line,
                                    std::size_t begin) {
    const std::string_view digits = line.substr(line.rfind(' ') + 1);
    std::size_t length = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (code != std::errc{} || end != digits.data() + digits.size() || length > kMaxReplyBytes) {
      return not_memcached();
    }
    const std::size_t all = begin + length + kValueEnd.size();
    if (received.size() < all) return Parsed{0, all, {}};
    if (received.substr(begin + length, kValueEnd.size()) != kValueEnd) return not_memcached();
    return Parsed{all, 0, {ReplyKind::kValue, received.substr(begin, length)}};
  }
};

}  // namespace

std::unique_ptr<Protocol> memcached_protocol() {
  return std::make_unique<MemcachedProtocol>();
}

}  // namespace kachel::bench
