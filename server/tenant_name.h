// A tenant's name and policy, by its number. The one place that knows them: as long as there is no
// authentication, everybody is the tenant `default`, number 0.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "server/policy.h"

namespace kachel::server {

inline std::string_view tenant_name(std::uint32_t tenant) {
  return tenant == 0 ? kDefaultTenant : std::string_view("other");
}
inline std::optional<std::uint32_t> find_tenant(std::string_view name) {
  return name == kDefaultTenant ? std::optional<std::uint32_t>(0) : std::nullopt;
}
inline const TenantPolicy& policy_of(const PolicySet& policies, std::uint32_t) {
  return policies.default_tenant();
}

}  // namespace kachel::server
