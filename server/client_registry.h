// All clients of all workers, for CLIENT LIST, CLIENT KILL and the count. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace kachel::server {

struct CommandSpec;

/// What is known about one client. Shared by its session and the registry; the strings are
/// the registry's to guard, the atomics are written by the session alone.
struct ClientRecord {
  std::uint64_t id = 0;
  std::string address;
  std::string local_address;
  int descriptor = -1;
  std::int64_t created_ms = 0;  // monotonic
  /// Asks the client's worker to close it. Any thread.
  std::function<void()> kill;

  std::string name;
  std::string user;  // empty: has not said who he is
  std::string lib_name;
  std::string lib_version;

  std::atomic<std::int64_t> active_ms{0};  // monotonic, of the last command
  std::atomic<std::uint8_t> database{0};
  std::atomic<std::uint8_t> protocol{2};
  std::atomic<std::uint64_t> output_bytes{0};
  std::atomic<const CommandSpec*> last_command{nullptr};
};

class ClientRegistry {
 public:
  using Pointer = std::shared_ptr<ClientRecord>;

  /// Gives the record its id.
  void add(const Pointer& client);
  void remove(std::uint64_t id);
  std::size_t count() const { return count_.load(std::memory_order_relaxed); }

  std::string name(const ClientRecord& client) const;
  void set_name(ClientRecord& client, std::string_view name);
  void set_user(ClientRecord& client, std::string_view user);
  /// `attribute`: lib-name or lib-ver. False when it is neither.
  bool set_info(ClientRecord& client, std::string_view attribute, std::string_view value);

  /// As CLIENT LIST shows it; without a line end.
  std::string describe(const ClientRecord& client) const;
  /// One line a client, in order of ids.
  std::string list() const;
  /// Clients that `matches`; for CLIENT KILL.
  std::vector<Pointer> find(const std::function<bool(const ClientRecord&)>& matches) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::uint64_t, Pointer> clients_;  // guarded by mutex_
  std::uint64_t next_id_ = 1;                 // guarded by mutex_
  std::atomic<std::size_t> count_{0};
};

/// Milliseconds of the monotonic clock.
std::int64_t monotonic_ms();

}  // namespace kachel::server
