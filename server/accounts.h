// From the users' file to what an authenticator goes by.
#pragma once

#include <string>
#include <vector>

#include "engine/store.h"
#include "server/authenticator.h"
#include "server/config.h"

namespace kachel::server {

/// The users of the configuration's file, and the numbers of their tenants. May block. Errors: of
/// UserSet::read() and Store::tenant_number().
Result<Accounts> load_accounts(const Config& config, Store& store);

/// A line for each user who was added, removed or changed; nothing secret in it.
std::vector<std::string> describe_changes(const UserSet& before, const UserSet& after);

}  // namespace kachel::server
