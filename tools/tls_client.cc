#include "tools/tls_client.h"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>

namespace kachel::tools {
namespace {

constexpr const char* kAuthoritiesVariable = "KACHEL_TLS_CA";
constexpr const char* kCertificateVariable = "KACHEL_TLS_CERT";
constexpr const char* kKeyVariable = "KACHEL_TLS_KEY";

struct ContextDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using Context = std::unique_ptr<SSL_CTX, ContextDeleter>;

/// nullptr: not set, or empty.
const char* environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? nullptr : value;
}

/// The first thing that OpenSSL has to say; forgets the others.
std::string openssl_message() {
  const char* const reason = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  return reason == nullptr ? "it can't be read" : reason;
}

Error invalid_file(const char* variable, const char* file, const char* remedy) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("{}: {}: {}; {}", variable, file, openssl_message(), remedy)};
}

Result<void> load_authorities(SSL_CTX* context) {
  const char* const file = environment(kAuthoritiesVariable);
  if (file == nullptr) {
    SSL_CTX_set_default_verify_paths(context);
  } else if (SSL_CTX_load_verify_locations(context, file, nullptr) != 1) {
    return invalid_file(kAuthoritiesVariable, file,
                        "name a PEM file with the certificates of the server's authorities");
  }
  return {};
}

Result<void> load_certificate(SSL_CTX* context) {
  const char* const certificate = environment(kCertificateVariable);
  const char* const key = environment(kKeyVariable);
  if ((certificate == nullptr) != (key == nullptr)) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("{} and {}: set both, or neither",
                                                          kCertificateVariable, kKeyVariable)};
  }
  if (certificate == nullptr) return {};
  if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1) {
    return invalid_file(kCertificateVariable, certificate,
                        "name a PEM file with the client's certificate first");
  }
  if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
    return invalid_file(kKeyVariable, key,
                        "name the PEM file with the certificate's private key, without a password");
  }
  return {};
}

Result<Context> make_context() {
  ERR_clear_error();
  Context context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr) return Error{ErrorCode::kIo, "TLS: " + openssl_message()};
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  // What was decrypted is user data.
  SSL_CTX_set_options(context.get(), SSL_OP_CLEANSE_PLAINTEXT);
  SSL_CTX_set_mode(context.get(), SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (auto loaded = load_authorities(context.get()); !loaded) return loaded.error();
  if (auto loaded = load_certificate(context.get()); !loaded) return loaded.error();
  return context;
}

int descriptor_of(BIO* bio) {
  return *static_cast<const int*>(BIO_get_data(bio));
}

/// OpenSSL's own socket BIO writes such that a server that hangs up ends the process by SIGPIPE,
/// which the tools need for their output.
int send_through(BIO* bio, const char* bytes, int length) {
  ssize_t sent = 0;
  do {
    sent = ::send(descriptor_of(bio), bytes, static_cast<std::size_t>(length), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return static_cast<int>(sent);
}

int receive_through(BIO* bio, char* to, int room) {
  ssize_t got = 0;
  do {
    got = ::recv(descriptor_of(bio), to, static_cast<std::size_t>(room), 0);
  } while (got < 0 && errno == EINTR);
  return static_cast<int>(got);
}

long control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* socket_method() {
  static const BIO_METHOD* const kept = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "kachel");
    BIO_meth_set_write(made, send_through);
    BIO_meth_set_read(made, receive_through);
    BIO_meth_set_ctrl(made, control);
    return made;
  }();
  return kept;
}

/// The certificate has to be for it: as an address where it is one, which no SNI may be.
void expect_host(SSL* connection, const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  if (::inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
      ::inet_pton(AF_INET6, host.c_str(), address.data()) == 1) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection), host.c_str());
    return;
  }
  SSL_set1_host(connection, host.c_str());
  SSL_set_tlsext_host_name(connection, host.c_str());
}

Error handshake_failure(SSL* connection, const std::string& host) {
  const long verdict = SSL_get_verify_result(connection);
  if (verdict != X509_V_OK) {
    ERR_clear_error();
    return {ErrorCode::kForeign,
            fmt::format("TLS: the certificate of {} is not accepted: {}; {} names the file with "
                        "its authority",
                        host, X509_verify_cert_error_string(verdict), kAuthoritiesVariable)};
  }
  return {ErrorCode::kForeign,
          fmt::format("TLS: no handshake with {}: {}; is that its port for TLS (--tls-listen)?",
                      host, openssl_message())};
}

}  // namespace

Result<std::unique_ptr<TlsClient>> TlsClient::open(int descriptor, const std::string& host) {
  const auto context = make_context();
  if (!context) return context.error();
  SSL* const connection = SSL_new(context->get());
  BIO* const bio = BIO_new(socket_method());
  if (connection == nullptr || bio == nullptr) {
    SSL_free(connection);
    BIO_free(bio);
    return Error{ErrorCode::kIo, "TLS: " + openssl_message()};
  }
  std::unique_ptr<TlsClient> client(new TlsClient(connection, descriptor));
  BIO_set_data(bio, &client->descriptor_);
  BIO_set_init(bio, 1);
  SSL_set_bio(connection, bio, bio);  // takes it
  expect_host(connection, host);
  ERR_clear_error();
  if (SSL_connect(connection) != 1) return handshake_failure(connection, host);
  return client;
}

TlsClient::~TlsClient() {
  SSL_free(connection_);
}

Error TlsClient::failure(int result) const {
  const int number = errno;
  const int why = SSL_get_error(connection_, result);
  if (why == SSL_ERROR_ZERO_RETURN) return {ErrorCode::kIo, "the server closed the connection"};
  if (why == SSL_ERROR_SYSCALL && (number == EAGAIN || number == EWOULDBLOCK)) {
    return {ErrorCode::kNotFound, "nothing came in time"};
  }
  if (why == SSL_ERROR_SYSCALL && number != 0) return os_error(number, "TLS");
  return {ErrorCode::kIo, "TLS: " + openssl_message()};
}

Result<std::size_t> TlsClient::write(std::string_view bytes) {
  std::size_t written = 0;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_write_ex(connection_, bytes.data(), bytes.size(), &written);
  if (result != 1) return failure(result);
  return written;
}

Result<std::size_t> TlsClient::read(char* to, std::size_t room) {
  std::size_t got = 0;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_read_ex(connection_, to, room, &got);
  if (result != 1) return failure(result);
  return got;
}

}  // namespace kachel::tools
