// From the users' file to what an authenticator goes by.
#pragma once

#include <string>
#include <vector>

#include "engine/store.h"
#include "server/authenticator.h"
#include "server/config.h"

namespace kachel::server {

/// The users of the configuration's file; none without one. Errors: of UserSet::read().
Result<UserSet> read_users(const Config& config);
/// They, and the numbers of their tenants. May block. Errors: of Store::tenant_number().
Result<Accounts> open_accounts(UserSet users, Store& store);

/// A line for each user who was added, removed or changed; nothing secret in it.
std::vector<std::string> describe_changes(const UserSet& before, const UserSet& after);

}  // namespace kachel::server
