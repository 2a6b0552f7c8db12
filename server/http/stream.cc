#include "server/http/stream.h"

#include <openssl/ssl.h>

namespace kachel::server::http {

HttpStream::HttpStream(boost::asio::ip::tcp::socket socket, const TlsContext* tls)
    : tcp_(std::move(socket)) {
  if (tls == nullptr) return;
  SSL_CTX_up_ref(tls->native());
  boost::asio::ssl::context context(tls->native());  // takes the reference; the stream has its own
  tls_.emplace(tcp_, context);
}

}  // namespace kachel::server::http
