#include "server/client_registry.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>

#include "server/command.h"

namespace kachel::server {
namespace {

// The registry's lock is held.
std::string describe_locked(const ClientRecord& client) {
  const std::int64_t now = monotonic_ms();
  const CommandSpec* command = client.last_command.load(std::memory_order_relaxed);
  return fmt::format(
      "id={} addr={} laddr={} fd={} name={} age={} idle={} flags=N db={} sub=0 psub=0 ssub=0 "
      "multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem={} "
      "tot-mem={} events=r cmd={} user={} redir=-1 resp={} lib-name={} lib-ver={}",
      client.id, client.address, client.local_address, client.descriptor, client.name,
      (now - client.created_ms) / 1000,
      std::max<std::int64_t>(0, now - client.active_ms.load(std::memory_order_relaxed)) / 1000,
      client.database.load(std::memory_order_relaxed),
      client.output_bytes.load(std::memory_order_relaxed),
      client.output_bytes.load(std::memory_order_relaxed),
      command != nullptr ? command->name : std::string_view("NULL"), client.user,
      client.protocol.load(std::memory_order_relaxed), client.lib_name, client.lib_version);
}

}  // namespace

std::int64_t monotonic_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

void ClientRegistry::add(const Pointer& client) {
  const std::lock_guard lock(mutex_);
  client->id = next_id_++;
  clients_.emplace(client->id, client);
  count_.store(clients_.size(), std::memory_order_relaxed);
}

void ClientRegistry::remove(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  clients_.erase(id);
  count_.store(clients_.size(), std::memory_order_relaxed);
}

std::string ClientRegistry::name(const ClientRecord& client) const {
  const std::lock_guard lock(mutex_);
  return client.name;
}

void ClientRegistry::set_name(ClientRecord& client, std::string_view name) {
  const std::lock_guard lock(mutex_);
  client.name = name;
}

void ClientRegistry::set_user(ClientRecord& client, std::string_view user) {
  const std::lock_guard lock(mutex_);
  client.user = user;
}

bool ClientRegistry::set_info(ClientRecord& client, std::string_view attribute,
                              std::string_view value) {
  const std::lock_guard lock(mutex_);
  if (attribute == "lib-name") {
    client.lib_name = value;
  } else if (attribute == "lib-ver") {
    client.lib_version = value;
  } else {
    return false;
  }
  return true;
}

std::string ClientRegistry::describe(const ClientRecord& client) const {
  const std::lock_guard lock(mutex_);
  return describe_locked(client);
}

std::string ClientRegistry::list() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const auto& [id, client] : clients_)
    text += describe_locked(*client) + "\n";
  return text;
}

std::vector<ClientRegistry::Pointer> ClientRegistry::find(
    const std::function<bool(const ClientRecord&)>& matches) const {
  const std::lock_guard lock(mutex_);
  std::vector<Pointer> found;
  for (const auto& [id, client] : clients_) {
    if (matches(*client)) found.push_back(client);
  }
  return found;
}

}  // namespace kachel::server
