#include "server/http/connection.h"

#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include "io/check.h"
#include "server/http/routes.h"
#include "server/log.h"

namespace kachel::server::http {
namespace {

namespace beast = boost::beast;
using boost::system::error_code;

constexpr std::chrono::seconds kDrainTime{1};
constexpr std::size_t kDrainChunkBytes = 16 * 1024;
constexpr std::size_t kMaxDrainBytes = std::size_t{8} << 20;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

/// What to answer to a request that can't be read; nothing where nobody would read that.
std::optional<Problem> problem_of_reading(const error_code& error, const HttpLimits& limits) {
  if (error == beast::http::error::header_limit) {
    return Problem{Status::request_header_fields_too_large, "head-too-large",
                   fmt::format("request line and headers have at most {} bytes; longer keys go "
                               "through the Redis protocol",
                               limits.header_bytes)};
  }
  if (error == beast::http::error::body_limit) {
    return Problem{Status::payload_too_large, "body-too-large",
                   fmt::format("a body has at most {} bytes", limits.body_bytes)};
  }
  if (error == beast::error::timeout || error == beast::http::error::end_of_stream ||
      error == beast::http::error::partial_message) {
    return std::nullopt;
  }
  if (error.category() != make_error_code(beast::http::error::bad_method).category()) {
    return std::nullopt;
  }
  return Problem{Status::bad_request, "invalid-request", "this is not HTTP/1.1"};
}

template <typename Header>
std::string_view field(const Header& header, beast::http::field name) {
  return header[name];
}

}  // namespace

HttpConnection::HttpConnection(ConnectionHome& home, boost::asio::ip::tcp::socket socket,
                               Entrance entrance, const TlsContextPointer& tls)
    : home_(home), stream_(std::move(socket), tls.get()), buffer_(2 * home.limits().header_bytes) {
  numbers_ = &home.numbers();
  caller.entrance = entrance;
}

HttpConnection::~HttpConnection() = default;

void HttpConnection::start() {
  if (stream_.is_encrypted()) return shake_hands();
  read_head();
}

void HttpConnection::shake_hands() {
  stream_.tcp().expires_after(home_.limits().handshake);
  stream_.async_handshake([self = self()](const error_code& error) {
    ++(error ? self->home_.numbers().tls_handshakes_failed : self->home_.numbers().tls_handshakes);
    if (self->state_ == State::kEnded) return;
    if (error) return self->end();
    self->caller.certificate_name = self->stream_.client_name();
    self->read_head();
  });
}

void HttpConnection::read_head() {
  state_ = State::kReading;
  parser_.emplace();
  parser_->header_limit(home_.limits().header_bytes);
  parser_->body_limit(home_.limits().body_bytes);
  stream_.tcp().expires_after(home_.limits().idle);
  beast::http::async_read_header(
      stream_, buffer_, *parser_,
      [self = self()](const error_code& error, std::size_t) { self->on_head(error); });
}

void HttpConnection::on_head(const error_code& error) {
  if (state_ == State::kEnded) return;
  request_id = home_.next_request_id();
  keeps_alive_ = false;
  if (error) return fail(error);
  if (!reserve_body()) {
    return refuse({Status::service_unavailable, "too-many-bodies",
                   "too many large bodies are on their way; try again"});
  }
  stream_.tcp().expires_after(home_.limits().transfer);
  if (beast::iequals(parser_->get()[beast::http::field::expect], "100-continue")) {
    return on_expectation();
  }
  read_body();
}

void HttpConnection::on_expectation() {
  boost::asio::async_write(stream_, boost::asio::buffer(kContinue),
                           [self = self()](const error_code& error, std::size_t) {
                             if (error) return self->end();
                             self->read_body();
                           });
}

void HttpConnection::read_body() {
  beast::http::async_read(
      stream_, buffer_, *parser_,
      [self = self()](const error_code& error, std::size_t) { self->on_request(error); });
}

/// Small ones need no leave.
bool HttpConnection::reserve_body() {
  const auto announced = parser_->content_length();
  const bool is_chunked = parser_->chunked();
  const std::uint64_t bytes = is_chunked ? home_.limits().body_bytes : announced.value_or(0);
  if (bytes <= kSmallBodyBytes) return true;
  if (home_.large_body_bytes() + bytes > home_.limits().bodies_bytes) return false;
  reserved_bytes_ = bytes;
  home_.large_body_bytes() += bytes;
  return true;
}

void HttpConnection::release_body() {
  home_.large_body_bytes() -= std::exchange(reserved_bytes_, 0);
}

void HttpConnection::fail(const error_code& error) {
  if (const auto problem = problem_of_reading(error, home_.limits())) return refuse(*problem);
  end();
}

void HttpConnection::on_request(const error_code& error) {
  if (state_ == State::kEnded) return;
  if (error) return fail(error);
  keeps_alive_ = parser_->get().keep_alive();
  take_head();
  state_ = State::kHandling;
  services_ = home_.services();
  stream_.tcp().expires_never();
  dispatch(*this);
}

void HttpConnection::take_head() {
  using beast::http::field;
  const auto& request = parser_->get();
  const auto text = [&](beast::http::field name) { return std::string_view(request[name]); };
  head = {request.method(),
          request.target(),
          text(field::host),
          text(field::origin),
          std::string_view(request["Sec-Fetch-Site"]),
          text(field::authorization),
          text(field::content_type),
          text(field::if_match),
          text(field::if_none_match)};
  body = request.body();
}

bool HttpConnection::has_left() {
  if (state_ == State::kEnded) return true;
  if (stream_.is_encrypted()) {
    pollfd socket{stream_.tcp().socket().native_handle(), POLLRDHUP, 0};
    return ::poll(&socket, 1, 0) == 1 && (socket.revents & (POLLRDHUP | POLLHUP)) != 0;
  }
  char byte = 0;
  return ::recv(stream_.tcp().socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void HttpConnection::send(Reply reply) {
  if (state_ == State::kEnded) return release_body();
  KACHEL_CHECK(state_ != State::kWriting, "a request is answered once");
  const std::string_view operation = route == nullptr ? "none" : route->operation;
  const auto status = static_cast<unsigned>(reply.status);
  ++home_.numbers().requests[{operation, status}];
  if (status >= 500 && state_ == State::kHandling && has_store()) {
    log_event(spdlog::level::warn, "an HTTP request could not be served",
              {{"request", request_id},
               {"operation", std::string(operation)},
               {"status", std::to_string(status)}});
  }
  const bool is_head = head.method == Verb::head;
  state_ = State::kWriting;
  reply_ = std::move(reply);
  keeps_alive_ = keeps_alive_ && !is_stopping_;
  answer_.emplace(reply_.status, 11);
  answer_->keep_alive(keeps_alive_);
  answer_->set("X-Request-Id", request_id);
  answer_->set(beast::http::field::cache_control, "no-store");
  answer_->set("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : reply_.headers)
    answer_->insert(name, std::string_view(value));
  if (!reply_.content_type.empty()) {
    answer_->set(beast::http::field::content_type, reply_.content_type);
    answer_->content_length(reply_.content().size());
    if (!is_head) answer_->body() = {reply_.content().data(), reply_.content().size()};
  }
  stream_.tcp().expires_after(home_.limits().transfer);
  beast::http::async_write(
      stream_, *answer_,
      [self = self()](const error_code& error, std::size_t) { self->on_written(error); });
}

void HttpConnection::on_written(const error_code& error) {
  answer_.reset();
  reply_ = {};
  release_body();
  if (state_ == State::kEnded) return;
  if (parser_) zeroize(parser_->get().body().data(), parser_->get().body().size());
  head = {};
  body = {};
  route = nullptr;
  path.clear();
  query.clear();
  if (error) return end();
  if (keeps_alive_) return read_head();
  if (stream_.is_encrypted()) return say_goodbye();
  if (parser_ && parser_->is_done()) return end();
  drain();
}

/// So that the client knows the answer to be whole.
void HttpConnection::say_goodbye() {
  stream_.tcp().expires_after(kDrainTime);
  stream_.async_shutdown([self = self()](const error_code&) { self->end(); });
}

/// What the client still sends is taken for a moment: were the socket closed on it, the answer that
/// refuses it would be lost.
void HttpConnection::drain() {
  error_code ignored;
  stream_.tcp().socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
  stream_.tcp().expires_after(kDrainTime);
  buffer_.clear();
  stream_.async_read_some(buffer_.prepare(kDrainChunkBytes),
                          [self = self()](const error_code& error, std::size_t bytes) {
                            self->on_drained(error, bytes);
                          });
}

void HttpConnection::on_drained(const error_code& error, std::size_t bytes) {
  drained_bytes_ += bytes;
  if (error || state_ == State::kEnded || drained_bytes_ > kMaxDrainBytes) return end();
  drain();
}

void HttpConnection::stop() {
  is_stopping_ = true;
  if (state_ == State::kReading) abort();
}

void HttpConnection::abort() {
  end();
}

/// The socket is closed; what is under way comes back with an error, or finds nobody.
void HttpConnection::end() {
  if (std::exchange(state_, State::kEnded) == State::kEnded) return;
  const auto keep = self();
  release_body();
  error_code ignored;
  stream_.tcp().socket().shutdown(boost::asio::ip::tcp::socket::shutdown_both, ignored);
  stream_.tcp().close();
  home_.ended(*this);
}

}  // namespace kachel::server::http
