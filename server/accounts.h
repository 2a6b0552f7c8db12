// From the users' file to what an authenticator goes by.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/store.h"
#include "server/authenticator.h"
#include "server/config.h"
#include "server/policy.h"

namespace kachel::server {

/// The users of the configuration's file; none without one. Errors: of UserSet::read().
Result<UserSet> read_users(const Config& config);
/// They, and the numbers of their tenants. May block. Errors: of Store::tenant_number().
Result<Accounts> open_accounts(UserSet users, Store& store);

/// What the policies leave each of the tenants of the device, bytes by tenant's number; those with
/// no bound of their own are not in it.
std::map<std::uint32_t, std::uint64_t> quotas_of(const Authenticator& authenticator,
                                                 const PolicySet& policies);

/// A line for each user who was added, removed or changed; nothing secret in it.
std::vector<std::string> describe_changes(const UserSet& before, const UserSet& after);

}  // namespace kachel::server
