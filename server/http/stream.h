// The bytes of one HTTP client, in clear or over TLS: an AsyncStream of Asio's either way.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <optional>
#include <string>
#include <utility>

#include "server/tls.h"

namespace kachel::server::http {

class HttpStream {
 public:
  using executor_type = boost::beast::tcp_stream::executor_type;

  /// `tls`: none, in clear.
  HttpStream(boost::asio::ip::tcp::socket socket, const TlsContext* tls);

  executor_type get_executor() { return tcp_.get_executor(); }
  /// With its timeouts, which bound what goes on above, too.
  boost::beast::tcp_stream& tcp() { return tcp_; }
  bool is_encrypted() const { return tls_.has_value(); }
  /// Of the client's certificate, once hands have been shaken: see client_certificate_name().
  std::string client_name() { return client_certificate_name(tls_->native_handle()); }

  template <typename Handler>
  void async_handshake(Handler&& handler) {
    tls_->async_handshake(boost::asio::ssl::stream_base::server, std::forward<Handler>(handler));
  }
  /// Tells the client that this is all, and waits for it to say so, too.
  template <typename Handler>
  void async_shutdown(Handler&& handler) {
    tls_->async_shutdown(std::forward<Handler>(handler));
  }
  template <typename Buffers, typename Handler>
  auto async_read_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) return tls_->async_read_some(buffers, std::forward<Handler>(handler));
    return tcp_.async_read_some(buffers, std::forward<Handler>(handler));
  }
  template <typename Buffers, typename Handler>
  auto async_write_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) return tls_->async_write_some(buffers, std::forward<Handler>(handler));
    return tcp_.async_write_some(buffers, std::forward<Handler>(handler));
  }

 private:
  boost::beast::tcp_stream tcp_;
  std::optional<boost::beast::ssl_stream<boost::beast::tcp_stream&>> tls_;
};

}  // namespace kachel::server::http
