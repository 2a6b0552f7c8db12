#include "server/accounts.h"

#include <fmt/format.h>
#include <utility>

namespace kachel::server {

Result<UserSet> read_users(const Config& config) {
  if (config.users_file.empty()) return UserSet();
  return UserSet::read(config.users_file);
}

Result<Accounts> open_accounts(UserSet users, Store& store) {
  Accounts accounts;
  accounts.users = std::move(users);
  for (const auto& [name, user] : accounts.users.users()) {
    const auto number = store.tenant_number(name);
    if (!number) return number.error();
    accounts.tenants[name] = *number;
  }
  return accounts;
}

std::map<std::uint32_t, std::uint64_t> quotas_of(const Authenticator& authenticator,
                                                 const PolicySet& policies) {
  std::map<std::uint32_t, std::uint64_t> quotas;
  for (const auto& [name, number] : authenticator.tenants()) {
    if (const auto bytes = policies.of(name).capacity_bytes) quotas[number] = *bytes;
  }
  return quotas;
}

std::vector<std::string> describe_changes(const UserSet& before, const UserSet& after) {
  std::vector<std::string> lines;
  for (const auto& [name, user] : after.users()) {
    const User* const old = before.find(name);
    if (old == nullptr) lines.push_back(fmt::format("user {}: added", name));
    if (old != nullptr && *old != user) lines.push_back(fmt::format("user {}: changed", name));
  }
  for (const auto& [name, user] : before.users()) {
    if (after.find(name) == nullptr) lines.push_back(fmt::format("user {}: removed", name));
  }
  return lines;
}

}  // namespace kachel::server
