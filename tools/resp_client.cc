#include "tools/resp_client.h"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fmt/format.h>
#include <memory>
#include <span>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "tools/connect_socket.h"

namespace kachel::tools {
namespace {

constexpr const char* kAuthVariable = "KACHEL_AUTH";
constexpr std::string_view kTlsScheme = "rediss://";
constexpr std::string_view kClearScheme = "redis://";
// INFO is a few KiB; more than this is not our server.
constexpr std::size_t kMaxReplyBytes = std::size_t{64} << 20;
constexpr std::size_t kMaxLineBytes = 64 * 1024;

Error not_the_protocol() {
  return {ErrorCode::kForeign, "the answer is not the Redis protocol"};
}

}  // namespace

/// As the user that the environment names, if it does: a password among the arguments could be seen
/// by everybody on the host.
Result<RespClient> RespClient::authenticate(RespClient client) {
  const char* const who = std::getenv(kAuthVariable);
  if (who == nullptr || *who == '\0') return client;
  const std::string_view text = who;
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{} must be USER:PASSWORD", kAuthVariable)};
  }
  const auto answer =
      client.ask({"AUTH", std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))});
  if (!answer) return answer.error();
  return client;
}

/// `tls_host`: empty for none.
Result<RespClient> RespClient::begin(RespClient client, const std::string& tls_host) {
  if (!tls_host.empty()) {
    auto opened = TlsClient::open(client.descriptor_, tls_host);
    if (!opened) return opened.error();
    client.tls_ = std::move(*opened);
  }
  return authenticate(std::move(client));
}

Result<RespClient> RespClient::connect(const std::string& endpoint, std::chrono::seconds patience) {
  std::string place = endpoint;
  const bool has_tls = place.starts_with(kTlsScheme);
  if (has_tls) place.erase(0, kTlsScheme.size());
  if (place.starts_with(kClearScheme)) place.erase(0, kClearScheme.size());
  const auto address = split_endpoint(place, "HOST:PORT, or rediss://HOST:PORT for TLS");
  if (!address) return address.error();
  const auto descriptor = connect_socket(*address, endpoint, patience, "kacheld");
  if (!descriptor) return descriptor.error();
  return begin(RespClient(*descriptor, patience), has_tls ? address->host : "");
}

RespClient::RespClient(RespClient&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      patience_(other.patience_),
      tls_(std::move(other.tls_)),
      received_(std::move(other.received_)) {}

RespClient::~RespClient() {
  tls_.reset();
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<void> RespClient::send(std::string_view bytes) {
  while (tls_ != nullptr && !bytes.empty()) {
    const auto sent = tls_->write(bytes);
    if (!sent) return sent.error();
    bytes.remove_prefix(*sent);
  }
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return os_error(errno, "send");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Error RespClient::no_answer() const {
  return {ErrorCode::kIo, fmt::format("no answer in {} s", patience_.count())};
}

Result<std::size_t> RespClient::receive(char* to, std::size_t room) {
  if (tls_ != nullptr) {
    auto got = tls_->read(to, room);
    if (!got && got.error().code == ErrorCode::kNotFound) return no_answer();
    return got;
  }
  while (true) {
    const ssize_t got = ::recv(descriptor_, to, room, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return no_answer();
    if (got < 0) return os_error(errno, "receive");
    if (got == 0) return Error{ErrorCode::kIo, "the server closed the connection"};
    return static_cast<std::size_t>(got);
  }
}

Result<void> RespClient::receive_more() {
  char buffer[16 * 1024];
  const auto got = receive(buffer, sizeof(buffer));
  if (!got) return got.error();
  received_.append(buffer, *got);
  return {};
}

Result<std::string> RespClient::read_line() {
  while (true) {
    const std::size_t end = received_.find("\r\n");
    if (end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 2);
      return line;
    }
    if (received_.size() > kMaxLineBytes) return not_the_protocol();
    if (const auto more = receive_more(); !more) return more.error();
  }
}

/// What is long is received where it is to be.
Result<ZeroizingBytes> RespClient::read_bytes(std::size_t bytes) {
  ZeroizingBytes read(bytes);
  auto* const to = reinterpret_cast<char*>(read.data());
  std::size_t done = received_.copy(to, bytes);
  received_.erase(0, done);
  while (done < bytes) {
    const auto got = receive(to + done, bytes - done);
    if (!got) return got.error();
    done += *got;
  }
  while (received_.size() < 2) {
    if (const auto more = receive_more(); !more) return more.error();
  }
  received_.erase(0, 2);
  return read;
}

Result<void> RespClient::send_request(const std::vector<std::string>& arguments) {
  std::string request = fmt::format("*{}\r\n", arguments.size());
  for (const std::string& argument : arguments) {
    request += fmt::format("${}\r\n{}\r\n", argument.size(), argument);
  }
  return send(request);
}

Result<ZeroizingBytes> RespClient::take_answer() {
  const auto line = read_line();
  if (!line) return line.error();
  if (line->starts_with('+')) {
    const auto text = std::as_bytes(std::span(*line)).subspan(1);
    return ZeroizingBytes(text.begin(), text.end());
  }
  if (line->starts_with('-')) return Error{ErrorCode::kInvalidArgument, line->substr(1)};
  if (*line == "$-1" || *line == "_") return Error{ErrorCode::kNotFound, "there is no such thing"};
  std::size_t length = 0;
  const auto [end, code] = std::from_chars(line->data() + 1, line->data() + line->size(), length);
  if (!line->starts_with('$') || code != std::errc{} || end != line->data() + line->size() ||
      length > kMaxReplyBytes) {
    return not_the_protocol();
  }
  return read_bytes(length);
}

Result<std::string> RespClient::ask(const std::vector<std::string>& arguments) {
  if (const auto sent = send_request(arguments); !sent) return sent.error();
  const auto answer = take_answer();
  if (!answer) return answer.error();
  return std::string(reinterpret_cast<const char*>(answer->data()), answer->size());
}

}  // namespace kachel::tools
