// What a tenant's entries are bound to: [tenant.NAME] of the configuration file. Values only;
// where they come from is config_file.cc's, when they change policy_source.h's.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tenants.h"
#include "io/error.h"
#include "server/price_table.h"

namespace kachel::server {

inline constexpr std::string_view kDefaultTenant = kDefaultTenantName;
inline constexpr std::size_t kMaxTenants = 1024;

struct TenantPolicy {
  using Duration = std::chrono::milliseconds;

  std::optional<Duration> ttl_default;               // of a put that names no expiry
  std::optional<Duration> ttl_max;                   // from the command that sets an expiry
  Duration erase_within = std::chrono::hours(24);    // from an entry's death to its bytes' end
  std::optional<Duration> erase_by_max;              // from the put to the bytes' end
  std::optional<std::uint64_t> capacity_bytes;       // none: what the store has
  std::optional<std::uint64_t> requests_per_second;  // none: no bound
  bool require_subject = false;                      // a put names one, or is not stored

  friend bool operator==(const TenantPolicy&, const TenantPolicy&) = default;
};

/// One key of [tenant.NAME].
struct PolicyKey {
  std::string_view name;
  std::string_view example;  // of its value; empty: true or false
  /// The error's message names the remedy, not the key.
  Result<void> (*apply)(TenantPolicy& policy, std::string_view text);
  /// As one would write it; "none" when it is not set.
  std::string (*show)(const TenantPolicy& policy);
};
std::span<const PolicyKey> policy_keys();
const PolicyKey* find_policy_key(std::string_view name);
/// The key that was probably meant; nullptr when none is near.
const PolicyKey* nearest_policy_key(std::string_view name);

/// Two keys that contradict each other: the one to blame, and what would do.
struct PolicyConflict {
  std::string_view key;
  std::string message;
};
std::optional<PolicyConflict> find_conflict(const TenantPolicy& policy);

/// 1 to 64 letters, digits, '_', '-' and '.'.
Result<void> check_tenant_name(std::string_view name);

/// A moment, ms since the epoch, after the policy has had its say. 0: never.
struct GovernedTime {
  std::int64_t at_ms = 0;
  bool clamped = false;  // sooner than was asked for
};
/// When an entry expires that `asked_ms` was asked for; 0: never was.
GovernedTime limit_expiry(const TenantPolicy& policy, std::int64_t asked_ms, std::int64_t now_ms);
/// The same of a put, which may name no expiry (0).
GovernedTime put_expiry(const TenantPolicy& policy, std::int64_t asked_ms, std::int64_t now_ms);
/// When the bytes of a put are to be gone; 0: nothing was asked for. Clamped only if it was.
GovernedTime put_erase_by(const TenantPolicy& policy, std::int64_t asked_ms, std::int64_t now_ms);

/// The policies and prices of one configuration file. Immutable once shared.
class PolicySet {
 public:
  using Tenants = std::map<std::string, TenantPolicy, std::less<>>;

  const TenantPolicy& default_tenant() const { return default_; }
  /// The default tenant's when the file does not name it.
  const TenantPolicy& of(std::string_view tenant) const;
  /// The shortest there is: one store keeps the deadlines of all tenants' dead by it.
  TenantPolicy::Duration shortest_erase_within() const;
  /// Those that the file names.
  const Tenants& tenants() const { return tenants_; }
  void set(std::string name, const TenantPolicy& policy);
  const PriceTable& prices() const { return prices_; }
  PriceTable& prices() { return prices_; }

 private:
  Tenants tenants_;
  TenantPolicy default_;  // bounds nothing unless the file says so
  PriceTable prices_;
};

/// "ttl_max 24h, require_subject true": what is set, in the table's order.
std::string describe(const TenantPolicy& policy);
/// The same of all tenants that the file names.
std::map<std::string, std::string> describe_all(const PolicySet& policies);
/// A line for each change, "tenant default: ttl_max 24h -> 12h"; none when there is none.
std::vector<std::string> describe_changes(const PolicySet& before, const PolicySet& after);

}  // namespace kachel::server
