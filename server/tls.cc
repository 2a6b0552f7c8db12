#include "server/tls.h"

#include <algorithm>
#include <climits>
#include <ctime>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <utility>

#include "io/check.h"

namespace kachel::server {
namespace {

constexpr unsigned char kSessionContext[] = "kachel";

/// The first thing that OpenSSL has to say; forgets the others.
std::string openssl_message() {
  const unsigned long code = ERR_get_error();
  const char* const reason = ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "it can't be read" : reason;
}

Error invalid_file(std::string_view flag, const std::string& file, std::string_view remedy) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("--{}: {}: {}; {}", flag, file, openssl_message(), remedy)};
}

std::int64_t ms_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return static_cast<std::int64_t>(::timegm(&parts)) * 1000;
}

Result<void> load(SSL_CTX* context, const TlsSettings& settings) {
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, settings.certificate_file.c_str()) != 1) {
    return invalid_file("tls-cert", settings.certificate_file,
                        "name a PEM file with the server's certificate first");
  }
  if (SSL_CTX_use_PrivateKey_file(context, settings.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return invalid_file("tls-key", settings.key_file,
                        "name the PEM file with the certificate's private key, without a password");
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return invalid_file("tls-key", settings.key_file, "it is not the key of --tls-cert");
  }
  if (settings.client_ca_file.empty()) return {};
  const char* const authorities = settings.client_ca_file.c_str();
  STACK_OF(X509_NAME)* const names = SSL_load_client_CA_file(authorities);
  if (names == nullptr || SSL_CTX_load_verify_locations(context, authorities, nullptr) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return invalid_file("tls-client-ca", settings.client_ca_file,
                        "name a PEM file with the certificates of the clients' authorities");
  }
  SSL_CTX_set_client_CA_list(context, names);  // takes them
  const int must = settings.requires_client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | must, nullptr);
  return {};
}

}  // namespace

Result<TlsContextPointer> TlsContext::open(const TlsSettings& settings) {
  SSL_CTX* const made = SSL_CTX_new(TLS_server_method());
  KACHEL_CHECK(made != nullptr, "OpenSSL has no memory");
  std::shared_ptr<TlsContext> context(new TlsContext(made));
  SSL_CTX_set_min_proto_version(made, TLS1_3_VERSION);
  // What was decrypted is user data; and a connection that idles keeps no buffers.
  SSL_CTX_set_options(made, SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_TICKET);
  SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                             SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // A session that goes on would outlive what vouched for its client.
  SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(made, 0);
  SSL_CTX_set_session_id_context(made, kSessionContext, sizeof kSessionContext - 1);
  if (auto loaded = load(made, settings); !loaded) return loaded.error();
  context->expires_ms_ = ms_of(X509_get0_notAfter(SSL_CTX_get0_certificate(made)));
  return TlsContextPointer(std::move(context));
}

TlsContext::~TlsContext() {
  SSL_CTX_free(context_);
}

void TlsSource::publish(TlsContextPointer context) {
  const std::lock_guard lock(mutex_);
  context_.swap(context);
}

TlsContextPointer TlsSource::current() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

std::string client_certificate_name(const SSL* connection) {
  X509* const certificate = SSL_get0_peer_certificate(connection);
  if (certificate == nullptr || SSL_get_verify_result(connection) != X509_V_OK) return {};
  X509_NAME* const subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  // Of two names neither is the one that counts.
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return {};
  unsigned char* utf8 = nullptr;
  const int bytes =
      ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (bytes < 0) return {};
  std::string name(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(bytes));
  OPENSSL_free(utf8);
  return name;
}

TlsStream::TlsStream(const TlsContext& context, int descriptor)
    : connection_(SSL_new(context.native())) {
  KACHEL_CHECK(connection_ != nullptr, "OpenSSL has no memory");
  SSL_set_accept_state(connection_);
  has_failed_ = SSL_set_fd(connection_, descriptor) != 1;
}

TlsStream::~TlsStream() {
  SSL_free(connection_);
}

TlsOutcome TlsStream::outcome_of(int result) {
  if (result > 0) return {TlsStatus::kDone, static_cast<std::size_t>(result)};
  switch (SSL_get_error(connection_, result)) {
    case SSL_ERROR_WANT_READ:
      return {TlsStatus::kWantsRead};
    case SSL_ERROR_WANT_WRITE:
      return {TlsStatus::kWantsWrite};
    case SSL_ERROR_ZERO_RETURN:
      return {TlsStatus::kClosed};
    default:
      has_failed_ = true;  // after which SSL_shutdown() must not be called
      return {TlsStatus::kFailed};
  }
}

TlsOutcome TlsStream::handshake() {
  if (has_failed_) return {};
  ERR_clear_error();
  return outcome_of(SSL_do_handshake(connection_));
}

TlsOutcome TlsStream::read(std::span<char> room) {
  if (has_failed_) return {};
  ERR_clear_error();
  const auto most = static_cast<int>(std::min<std::size_t>(room.size(), INT_MAX));
  return outcome_of(SSL_read(connection_, room.data(), most));
}

TlsOutcome TlsStream::write(std::string_view text) {
  if (has_failed_) return {};
  ERR_clear_error();
  const auto most = static_cast<int>(std::min<std::size_t>(text.size(), INT_MAX));
  return outcome_of(SSL_write(connection_, text.data(), most));
}

bool TlsStream::has_unread() const {
  return SSL_pending(connection_) > 0;
}

void TlsStream::shut_down() {
  if (has_failed_ || SSL_is_init_finished(connection_) != 1) return;
  ERR_clear_error();
  (void)SSL_shutdown(connection_);
}

}  // namespace kachel::server
