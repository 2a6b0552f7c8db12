// One client's conversation, without the socket: bytes in, replies out.
//
// Invariants:
//   * commands start in the order they arrived, and replies leave in that order;
//   * a command whose effect is not settled (see engine/store.h) keeps the following ones
//     from starting until its handler has run;
//   * a reply known at once, with nothing pending before it, goes straight to the output;
//   * input, output, pending commands and work per turn are bounded (SessionLimits).
//
// Worker thread only. Reference-counted, because an engine handler may outlive the socket.
#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engine/store.h"
#include "server/authenticator.h"
#include "server/command.h"
#include "server/input_buffer.h"
#include "server/key_types.h"
#include "server/output_chain.h"
#include "server/policy_source.h"
#include "server/resp_parser.h"
#include "server/resp_writer.h"
#include "server/server_state.h"
#include "server/transaction.h"

namespace kachel::server {

class Session;
using SessionPointer = boost::intrusive_ptr<Session>;

/// What a session asks of its surroundings: the worker's thread, or a test.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  /// There is output, or the session has ended: flush at the end of this turn.
  virtual void output_ready(Session& session) = 0;
  /// Call session.resume() in a later turn.
  virtual void resume_later(Session& session) = 0;
  /// wants_input() has changed.
  virtual void input_changed(Session& session) = 0;
  /// That of this worker.
  virtual io::Loop& loop() = 0;
  /// Whether the client is known to send no more, though nothing has been read since.
  virtual bool has_hung_up() { return false; }
  virtual Entrance entrance() const { return Entrance::kLoopback; }
};

/// What the sessions of one worker share. The members outlive them.
struct SessionServices {
  Store& store;
  Worker& worker;
  ServerState& state;
  WorkerCounters& counters;
  ChunkPool& chunks;
  PolicyReader& policy;
  SessionHost& host;
};

/// A reply's place in the order of replies, to be filled later. Finish it exactly once; one
/// dropped without that answers with an error, so that the client is never left waiting.
class PendingReply {
 public:
  PendingReply() = default;
  PendingReply(SessionPointer session, std::uint64_t slot) noexcept
      : session_(std::move(session)), slot_(slot) {}
  PendingReply(PendingReply&&) noexcept = default;
  PendingReply& operator=(PendingReply&&) noexcept = default;
  PendingReply(const PendingReply&) = delete;
  PendingReply& operator=(const PendingReply&) = delete;
  ~PendingReply();

  std::uint64_t slot() const { return slot_; }
  Session& session() const { return *session_; }
  ReplyWriter writer() const;
  /// For a reply in another protocol than was spoken when the command came.
  ReplyWriter writer(Protocol protocol) const;
  void finish();
  /// The slot is somebody else's to finish.
  std::uint64_t detach();

 private:
  SessionPointer session_;
  std::uint64_t slot_ = 0;
};

class Session : public boost::intrusive_ref_counter<Session, boost::thread_unsafe_counter> {
 public:
  Session(const SessionServices& services, ClientRegistry::Pointer client);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // The socket's side.
  /// Bytes that arrived. Only while wants_input().
  void receive(std::string_view bytes);
  /// What such bytes, which receive() will get next, are about to read; of a pipeline the session
  /// looks ahead itself.
  std::optional<Worker::Foreseen> foresee(std::string_view bytes) const;
  /// Room to read into directly, while part of a request is held; empty otherwise: read
  /// elsewhere and call receive().
  std::span<char> input_space();
  void receive_in_place(std::size_t bytes);
  /// The client sends no more: answer what it has asked, then end.
  void end_of_input();
  bool wants_input() const;
  OutputChain& output() { return output_; }
  /// `bytes` of the output have been sent.
  void sent(std::size_t bytes);
  /// All has been said: close once the output is empty.
  bool ended() const { return closing_ && slots_.empty() && output_.empty(); }
  /// Close at once, unsent output or not.
  bool aborted() const { return aborted_; }
  /// The socket is gone: nothing will be sent or started any more.
  void abandon();
  /// Goes on after resume_later().
  void resume();
  /// Nobody is there any more who could do something about what he is told.
  bool has_left() const { return abandoned_ || eof_ || services_.host.has_hung_up(); }
  bool idle() const { return slots_.empty() && output_.empty(); }
  std::size_t pending() const { return slots_.size(); }

  // The commands' side.
  ReplyWriter reply();
  /// Takes a reply slot. Then make the engine's calls and report each with settled().
  PendingReply defer();
  /// An engine call for this slot returned `settled`. The slot may have finished by now.
  void settled(std::uint64_t slot, bool settled) {
    if (!settled) hold_for(slot);
  }
  /// No command starts until this slot is finished.
  void hold_for(std::uint64_t slot);
  /// Reply and close.
  void close_after_reply();
  /// Close at once, without a reply.
  void abort();

  Worker& worker() const { return is_executing() ? transaction_->worker() : services_.worker; }
  Store& store() const { return services_.store; }
  ServerState& state() const { return services_.state; }
  WorkerCounters& counters() const { return services_.counters; }
  /// The tenant's, as it is now.
  const TenantPolicy& policy() const { return services_.policy.current().of(principal_->name); }
  /// Who the client is; nullptr while it has not said so.
  const Principal* principal() const { return is_recognised_ ? principal_.get() : nullptr; }
  /// nullptr: whoever says nothing about himself.
  void become(PrincipalPointer principal);
  /// The client has, first of all, with this user's name in it.
  void show_certificate(std::string_view name);
  Entrance entrance() const { return services_.host.entrance(); }
  io::Loop& loop() const { return services_.host.loop(); }
  ClientRecord& client() const { return *client_; }
  /// Command being executed; while a handler is on the stack.
  const CommandSpec& spec() const { return *spec_; }

  /// The hash under the key of this number of the command being started: see key_types.h.
  std::optional<Glimpse> hash_at(std::size_t key) const { return key_types_.hash_at(key); }
  const KeyTypes& key_types() const { return key_types_; }
  void key_types_known(std::vector<std::optional<Glimpse>> hashes, std::string refusal);

  /// The client's; made when it is first asked for.
  Transaction& transaction();
  /// EXEC's commands are being run.
  bool is_executing() const { return transaction_ && transaction_->is_running(); }
  /// EXEC: runs what is queued, and replies. Nothing else is pending.
  void execute_transaction(PendingReply reply);

  Namespace space() const { return {principal_->tenant, database_}; }
  void select(std::uint8_t database);
  Protocol protocol() const { return protocol_; }
  void set_protocol(Protocol protocol);

 private:
  friend class PendingReply;
  /// What the slow log would say of a command.
  struct Timed {
    const CommandSpec* spec = nullptr;  // nullptr: nothing
    std::int64_t started_ns = 0;        // on the slow log's clock
    std::uint64_t request_bytes = 0;
    std::uint32_t arguments = 0;
    std::uint64_t number = 0;  // of the client's commands
  };
  struct Slot {
    OutputChain reply;
    Protocol protocol = Protocol::kResp2;
    bool done = false;
    bool holds = false;             // later commands wait for it
    std::size_t counted_bytes = 0;  // of its reply, in finished_bytes_
    Timed timed;
  };

  std::string_view unread() const { return external_.empty() ? input_.view() : external_; }
  void consume(std::size_t bytes);
  void look_ahead(std::string_view bytes);
  void keep_unread();
  bool may_start() const;
  void run();
  bool waits_for_more_output();
  bool is_turn_over();
  void give_way();
  bool step();
  bool step_transaction();
  void gather_reply();
  void end_transaction();
  bool queue_in_transaction(const CommandSpec& spec, Arguments arguments);
  bool start(const CommandSpec* spec, Arguments arguments);
  bool wait_while_throttled(const CommandSpec& spec);
  bool wait_for_quota(const CommandSpec& spec);
  std::uint64_t requests_per_second();
  bool wait_for_earlier(const CommandSpec& spec);
  void execute(const CommandSpec* spec, Arguments arguments);
  void begin_timing(const CommandSpec& spec, Arguments arguments);
  void end_timing(Timed& timed);
  void protocol_error();
  std::string refusal_of(const CommandSpec& spec);
  const CommandSpec* look_up(Arguments arguments) const;
  void reject_unknown(Arguments arguments);
  void reject_subcommand(std::string_view parent, std::string_view name);
  Slot& slot(std::uint64_t id) { return slots_[static_cast<std::size_t>(id - first_slot_)]; }
  void finish(std::uint64_t id);
  void count_finished(Slot& slot);
  void release_finished();
  void check_output();

  SessionServices services_;
  ClientRegistry::Pointer client_;
  const SessionLimits& limits_;
  RequestParser parser_;
  InputBuffer input_;
  std::string_view external_;  // bytes being received, not (yet) in input_
  OutputChain output_;
  std::deque<Slot> slots_;  // replies not yet in the output, oldest first
  std::uint64_t first_slot_ = 0;
  std::size_t holding_ = 0;         // slots that hold later commands
  std::size_t finished_bytes_ = 0;  // in slots that wait for an earlier one
  std::uint64_t started_ = 0;       // commands
  unsigned turns_kept_ = 0;         // with replies that have not left
  std::size_t turn_commands_ = 0;
  std::size_t turn_bytes_ = 0;
  std::size_t foreseen_ = 0;                            // requests to come whose keys were foreseen
  std::chrono::steady_clock::time_point turn_started_;  // but for its first commands
  const CommandSpec* spec_ = nullptr;
  Timed timed_;         // the command whose handler runs, unless a slot has it
  KeyTypes key_types_;  // of the command about to start
  std::unique_ptr<Transaction> transaction_;
  // What is under way goes on as the last one that there was.
  PrincipalPointer principal_ = std::make_shared<Principal>();
  bool is_recognised_ = false;
  std::string certified_;  // whom the client's certificate names; empty: it has shown none
  std::uint64_t accounts_seen_ = 0;  // the generation that principal_ is of
  std::uint8_t database_ = 0;
  Protocol protocol_ = Protocol::kResp2;
  bool running_ = false;
  bool yielded_ = false;                   // resume_later() asked for
  bool throttled_ = false;                 // waits for the store
  RequestQuotas::Pointer quota_;           // the tenant's; nullptr while it has no bound
  std::uint64_t requests_per_second_ = 0;  // of the policy that was seen last; 0: no bound
  std::uint64_t policy_seen_ = 0;          // its generation; 0: to be looked up
  bool has_turn_ = false;                  // the command about to start is paid for
  bool awaits_turn_ = false;               // the quota is used up
  bool full_ = false;                      // output past its soft bound and not drained
  bool eof_ = false;
  bool closing_ = false;  // no command starts any more
  bool aborted_ = false;
  bool abandoned_ = false;  // no socket
};

}  // namespace kachel::server
