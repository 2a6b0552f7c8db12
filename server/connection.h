// The socket of one session: reads when the session wants input, writes what it has to say.
// Loop thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/poller.h"
#include "server/session.h"
#include "server/tls.h"

namespace kachel::server {

/// What a connection needs of its worker thread.
class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  virtual Poller& poller() = 0;
  virtual io::Loop& loop() = 0;
  /// For reading; its content is nobody's between two events.
  virtual std::span<char> scratch() = 0;
  /// The same for one that looks ahead, until its next event; empty when there is none left.
  virtual std::span<char> scratch_ahead() = 0;
  /// A key is about to be read, from memory that stays until the events come.
  virtual void foresee(const Worker::Foreseen& key) = 0;
  /// flush() this connection at the end of the turn.
  virtual void flush_later(class Connection& connection) = 0;
  virtual void resume_later(SessionPointer session) = 0;
  /// The connection is closed: destroy it once this turn is over.
  virtual void closed(class Connection& connection) = 0;
};

/// A socket that has been accepted: whoever has it closes it.
struct AcceptedSocket {
  int descriptor = -1;
  std::string peer;   // "127.0.0.1:4000"
  std::string local;  // that it has connected to
  Entrance entrance = Entrance::kLoopback;
  TlsContextPointer tls;  // none: in clear
};

class Connection final : public Poller::Target, public SessionHost {
 public:
  /// Owns the socket. `services.host` is replaced by the connection itself.
  Connection(ConnectionOwner& owner, const AcceptedSocket& socket, const SessionServices& services,
             ClientRegistry::Pointer client);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<void> start();
  /// Sends what there is; closes when the session has ended.
  void flush();
  void close();
  /// Answer what has been asked, then close.
  void begin_shutdown();

  ClientRecord& client() { return *client_; }
  const SessionPointer& session() const { return session_; }
  bool is_open() const { return descriptor_ >= 0; }
  /// Nothing can be asked yet.
  bool is_shaking_hands() const { return is_shaking_hands_; }

  std::size_t index = 0;  // the owner's: its place in the list
  bool flush_queued = false;

 private:
  void on_events(std::uint32_t events) override;
  bool is_in_bulk() const override { return is_in_bulk_; }
  void look_ahead(std::uint32_t events) override;
  void output_ready(Session& session) override;
  void resume_later(Session& session) override;
  io::Loop& loop() override { return owner_.loop(); }
  void input_changed(Session& session) override;
  bool has_hung_up() override;
  Entrance entrance() const override { return entrance_; }

  /// What one read, or one write, of the socket has come to.
  enum class Outcome : std::uint8_t { kDone, kNotNow, kEnd, kFailed };
  struct Transfer {
    Outcome outcome = Outcome::kFailed;
    std::size_t bytes = 0;
  };
  void shake_hands();
  void read();
  bool read_once();
  void forget_ahead();
  bool has_unread() const { return tls_ && tls_->has_unread(); }
  Transfer receive(std::span<char> room);
  Transfer send();
  Transfer send_encrypted();
  Transfer transfer_of(const TlsOutcome& outcome);
  void finish_turn();
  bool write_some();
  void set_interest(std::uint32_t events);

  ConnectionOwner& owner_;
  int descriptor_;
  const Entrance entrance_;
  std::unique_ptr<TlsStream> tls_;  // none: in clear
  WorkerCounters& counters_;
  bool is_shaking_hands_ = false;
  bool is_in_bulk_ = false;
  ClientRegistry::Pointer client_;
  SessionPointer session_;
  std::span<char> ahead_;  // the owner's memory that has been read into already; empty: none
  Transfer got_ahead_;
  std::uint32_t interest_ = 0;
  bool started_ = false;
};

}  // namespace kachel::server
