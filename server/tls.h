// TLS 1.3, of either port: the certificate that it shows, whose it accepts, and the encrypted
// stream of one connection. The files are read again on SIGHUP; connections keep what they began
// with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "io/error.h"

struct ssl_ctx_st;
struct ssl_st;

namespace kachel::server {

struct TlsSettings {
  std::string certificate_file;  // PEM: the server's, then what leads from it to a root
  std::string key_file;          // PEM
  std::string client_ca_file;    // PEM; empty: clients are not asked for certificates
  bool requires_client_certificate = false;
};

/// What was in the files. Immutable.
class TlsContext {
 public:
  /// kInvalidArgument: which file, what is wrong with it and what to do.
  static Result<std::shared_ptr<const TlsContext>> open(const TlsSettings& settings);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  /// OpenSSL's SSL_CTX, still this object's.
  ssl_ctx_st* native() const { return context_; }
  /// When the server's certificate ends to be valid, ms since the epoch.
  std::int64_t expires_ms() const { return expires_ms_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
  std::int64_t expires_ms_ = 0;
};
using TlsContextPointer = std::shared_ptr<const TlsContext>;

/// What is in force. Thread-safe.
class TlsSource {
 public:
  void publish(TlsContextPointer context);
  /// nullptr: there is no TLS.
  TlsContextPointer current() const;

 private:
  mutable std::mutex mutex_;
  TlsContextPointer context_;  // guarded by mutex_
};

/// The common name of the certificate that the client has shown; empty when it has shown none that
/// its authority vouches for.
std::string client_certificate_name(const ssl_st* connection);

enum class TlsStatus : std::uint8_t {
  kDone,
  kWantsRead,   // again once the socket can be read
  kWantsWrite,  // again once it can be written, with what is to be written unchanged
  kClosed,      // by the other side, in order
  kFailed,      // or out of order
};
struct TlsOutcome {
  TlsStatus status = TlsStatus::kFailed;
  std::size_t bytes = 0;
};

/// The server's side of one connection, on a socket that does not block. SIGPIPE is ignored.
class TlsStream {
 public:
  TlsStream(const TlsContext& context, int descriptor);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  /// First of all, until it is done.
  TlsOutcome handshake();
  TlsOutcome read(std::span<char> room);
  /// Some of it, up to a record's worth.
  TlsOutcome write(std::string_view text);
  /// Of what has come from the socket, read() has more.
  bool has_unread() const;
  /// Once the handshake is done: client_certificate_name().
  std::string client_name() const { return client_certificate_name(connection_); }
  /// Tells the other side that this is all, if that can be done at once.
  void shut_down();

 private:
  TlsOutcome outcome_of(int result);
  ssl_st* connection_;
  bool has_failed_ = false;
};

}  // namespace kachel::server
