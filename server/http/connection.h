// One client of the HTTP port: reads a request, has it answered, and reads the next. HTTP/1.1 with
// keep-alive; requests of one connection are served one after the other. HTTP thread only.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/span_body.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "server/http/exchange.h"
#include "server/http/stream.h"
#include "server/tls.h"

namespace kachel::server::http {

struct HttpLimits {
  std::uint32_t header_bytes = 32 * 1024;  // request line included
  std::uint64_t body_bytes = std::uint64_t{64} << 20;
  /// Of all bodies above kSmallBodyBytes that are being received or worked on.
  std::uint64_t bodies_bytes = std::uint64_t{128} << 20;
  std::size_t connections = 256;
  std::chrono::milliseconds idle{75'000};  // until the next request begins, and its head is there
  std::chrono::milliseconds handshake{10'000};
  std::chrono::milliseconds transfer{60'000};  // of a body, or of an answer
};
inline constexpr std::uint64_t kSmallBodyBytes = 64 * 1024;

class HttpConnection;

/// What connections share, and tell when they end.
class ConnectionHome {
 public:
  virtual ~ConnectionHome() = default;
  virtual const HttpLimits& limits() const = 0;
  /// nullptr before the store is open, and once no new request is served.
  virtual Services* services() = 0;
  virtual bool is_stopping() const = 0;
  virtual HttpNumbers& numbers() = 0;
  virtual std::string next_request_id() = 0;
  /// Bytes of large bodies now; the connections' own to count.
  virtual std::uint64_t& large_body_bytes() = 0;
  virtual void ended(HttpConnection& connection) = 0;
};

class HttpConnection final : public Exchange {
 public:
  /// `tls`: none, in clear.
  HttpConnection(ConnectionHome& home, boost::asio::ip::tcp::socket socket, Entrance entrance,
                 const TlsContextPointer& tls);
  ~HttpConnection() override;

  void start();
  /// After the answer to the request at hand, if there is one; at once otherwise.
  void stop();
  /// At once. A handler under way still has the exchange, and answers nobody.
  void abort();
  bool is_handling() const { return state_ == State::kHandling; }
  bool has_left() override;

 private:
  template <typename T>
  using Zeroing = ZeroizingAllocator<T>;
  using Body = boost::beast::http::basic_string_body<char, std::char_traits<char>, Zeroing<char>>;
  using Parser = boost::beast::http::request_parser<Body, Zeroing<char>>;
  using Answer = boost::beast::http::response<boost::beast::http::span_body<const char>,
                                              boost::beast::http::basic_fields<Zeroing<char>>>;
  enum class State : std::uint8_t { kReading, kHandling, kWriting, kEnded };

  std::shared_ptr<HttpConnection> self() {
    return std::static_pointer_cast<HttpConnection>(shared_from_this());
  }
  void shake_hands();
  void read_head();
  void on_head(const boost::system::error_code& error);
  void on_expectation();
  void read_body();
  void on_request(const boost::system::error_code& error);
  void fail(const boost::system::error_code& error);
  bool reserve_body();
  void release_body();
  void take_head();
  void send(Reply reply) override;
  void on_written(const boost::system::error_code& error);
  void say_goodbye();
  void drain();
  void on_drained(const boost::system::error_code& error, std::size_t bytes);
  void end();

  ConnectionHome& home_;
  HttpStream stream_;
  boost::beast::basic_flat_buffer<Zeroing<char>> buffer_;
  std::optional<Parser> parser_;
  std::optional<Answer> answer_;
  Reply reply_;  // what the answer's body lies in
  State state_ = State::kReading;
  std::uint64_t reserved_bytes_ = 0;
  bool keeps_alive_ = false;
  bool is_stopping_ = false;
  std::size_t drained_bytes_ = 0;
};

}  // namespace kachel::server::http
