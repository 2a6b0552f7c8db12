#include "server/policy.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <iterator>
#include <numeric>
#include <utility>

#include "engine/options.h"
#include "io/units.h"
#include "server/request_quota.h"

namespace kachel::server {
namespace {

using Duration = TenantPolicy::Duration;

// Any moment within it, from any moment now, is far from the end of 64 bits.
constexpr std::chrono::days kMaxDuration = kMaxEraseWithin;
constexpr std::uint64_t kMaxCapacityBytes = std::uint64_t{1} << 50;
// Edits between what was written and what was meant.
constexpr std::size_t kMaxTypos = 2;

Result<Duration> parse_bound(std::string_view text) {
  if (text.starts_with('-')) {
    return invalid(fmt::format(
        "\"{}\" is negative; write a time above 0, such as \"90s\", \"24h\" or \"30d\"", text));
  }
  const auto ms = parse_duration_ms(text);
  if (!ms) return ms.error();
  if (*ms == 0) {
    return invalid(
        "must be above 0; write a time such as \"90s\", \"24h\" or \"30d\", or remove the key");
  }
  if (*ms > std::chrono::milliseconds(kMaxDuration).count()) {
    return invalid(fmt::format("\"{}\" is too long; write at most \"{}d\", or remove the key", text,
                               kMaxDuration.count()));
  }
  return Duration(*ms);
}

template <typename Target>
Result<void> set_bound(Target& target, std::string_view text) {
  const auto bound = parse_bound(text);
  if (!bound) return bound.error();
  target = *bound;
  return {};
}

Result<void> set_erase_within(TenantPolicy& policy, std::string_view text) {
  if (auto set = set_bound(policy.erase_within, text); !set) return set;
  if (policy.erase_within >= kMinEraseWithin) return {};
  return invalid(fmt::format("\"{}\" is too short to be kept; write at least \"{}s\"", text,
                             kMinEraseWithin.count()));
}

Result<void> set_capacity(TenantPolicy& policy, std::string_view text) {
  const auto size = parse_size(text);
  if (!size) return size.error();
  if (*size == 0 || *size > kMaxCapacityBytes) {
    return invalid("write a size above 0 and up to " + format_size(kMaxCapacityBytes) +
                   ", or remove the key");
  }
  policy.capacity_bytes = *size;
  return {};
}

Result<void> set_requests_per_second(TenantPolicy& policy, std::string_view text) {
  const auto requests = parse_count(text, 1, kMaxRequestsPerSecond);
  if (!requests) return invalid(requests.error().message + ", or remove the key");
  policy.requests_per_second = *requests;
  return {};
}

Result<void> set_require_subject(TenantPolicy& policy, std::string_view text) {
  if (text != "true" && text != "false") return invalid("write true or false");
  policy.require_subject = text == "true";
  return {};
}

/// Exact, in the largest unit that divides it; days from two on, as people write 24h.
std::string show(std::optional<Duration> duration) {
  if (!duration) return "none";
  constexpr std::int64_t kDayMs = 86'400'000;
  const std::int64_t ms = duration->count();
  if (ms % kDayMs == 0 && ms >= 2 * kDayMs) return fmt::format("{}d", ms / kDayMs);
  if (ms % 3'600'000 == 0) return fmt::format("{}h", ms / 3'600'000);
  if (ms % 60'000 == 0) return fmt::format("{}m", ms / 60'000);
  if (ms % 1000 == 0) return fmt::format("{}s", ms / 1000);
  return fmt::format("{}ms", ms);
}

std::string show_bytes(std::optional<std::uint64_t> bytes) {
  if (!bytes) return "none";
  constexpr std::array<std::string_view, 5> kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  std::uint64_t number = *bytes;
  std::size_t unit = 0;
  while (number % 1024 == 0 && unit + 1 < kUnits.size()) {
    number /= 1024;
    ++unit;
  }
  return fmt::format("{}{}", number, kUnits[unit]);
}

constexpr std::array kKeys = std::to_array<PolicyKey>({
    {"ttl_default", "24h",
     [](TenantPolicy& policy, std::string_view text) {
       return set_bound(policy.ttl_default, text);
     },
     [](const TenantPolicy& policy) { return show(policy.ttl_default); }},
    {"ttl_max", "30d",
     [](TenantPolicy& policy, std::string_view text) { return set_bound(policy.ttl_max, text); },
     [](const TenantPolicy& policy) { return show(policy.ttl_max); }},
    {"erase_within", "24h", set_erase_within,
     [](const TenantPolicy& policy) { return show(policy.erase_within); }},
    {"erase_by_max", "90d",
     [](TenantPolicy& policy, std::string_view text) {
       return set_bound(policy.erase_by_max, text);
     },
     [](const TenantPolicy& policy) { return show(policy.erase_by_max); }},
    {"capacity", "256MiB", set_capacity,
     [](const TenantPolicy& policy) { return show_bytes(policy.capacity_bytes); }},
    {"requests_per_second", "5000", set_requests_per_second,
     [](const TenantPolicy& policy) {
       return policy.requests_per_second ? fmt::format("{}", *policy.requests_per_second)
                                         : std::string("none");
     }},
    {"require_subject", "", set_require_subject,
     [](const TenantPolicy& policy) {
       return std::string(policy.require_subject ? "true" : "false");
     }},
});

/// Letters to add, to remove or to replace until `a` is `b`; '-' is as good as '_'.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const char c = a[i - 1] == '-' ? '_' : a[i - 1];
      const std::size_t replaced = diagonal + (c == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string gone_too_soon(Duration erase_by_max, std::string_view key, Duration ttl) {
  return fmt::format(
      "{} is shorter than {}, {}: entries would have to be gone before they expire; "
      "raise erase_by_max or lower {}",
      show(erase_by_max), key, show(ttl), key);
}

std::int64_t after(std::int64_t now_ms, Duration duration) {
  return now_ms + duration.count();
}

void describe_change(const std::string& name, const TenantPolicy& before, const TenantPolicy& after,
                     std::vector<std::string>& lines) {
  for (const PolicyKey& key : kKeys) {
    const std::string old_value = key.show(before);
    const std::string new_value = key.show(after);
    if (old_value == new_value) continue;
    lines.push_back(fmt::format("tenant {}: {} {} -> {}", name, key.name, old_value, new_value));
  }
}

}  // namespace

std::span<const PolicyKey> policy_keys() {
  return kKeys;
}

const PolicyKey* find_policy_key(std::string_view name) {
  const auto found = std::find_if(kKeys.begin(), kKeys.end(),
                                  [&](const PolicyKey& key) { return key.name == name; });
  return found == kKeys.end() ? nullptr : &*found;
}

const PolicyKey* nearest_policy_key(std::string_view name) {
  const PolicyKey* nearest = nullptr;
  std::size_t best = kMaxTypos + 1;
  for (const PolicyKey& key : kKeys) {
    if (name.size() > key.name.size() + kMaxTypos) continue;  // nor is a long text worth it
    const std::size_t distance = edit_distance(name, key.name);
    if (distance >= best) continue;
    best = distance;
    nearest = &key;
  }
  return nearest;
}

std::optional<PolicyConflict> find_conflict(const TenantPolicy& policy) {
  const auto& ttl_default = policy.ttl_default;
  const auto& ttl_max = policy.ttl_max;
  const auto& erase_by_max = policy.erase_by_max;
  if (ttl_default && ttl_max && *ttl_default > *ttl_max) {
    return PolicyConflict{"ttl_default",
                          fmt::format("{} is longer than ttl_max, {}; lower ttl_default or raise "
                                      "ttl_max",
                                      show(ttl_default), show(ttl_max))};
  }
  if (erase_by_max && ttl_max && *erase_by_max < *ttl_max) {
    return PolicyConflict{"erase_by_max", gone_too_soon(*erase_by_max, "ttl_max", *ttl_max)};
  }
  if (erase_by_max && ttl_default && *erase_by_max < *ttl_default) {
    return PolicyConflict{"erase_by_max",
                          gone_too_soon(*erase_by_max, "ttl_default", *ttl_default)};
  }
  return std::nullopt;
}

Result<void> check_tenant_name(std::string_view name) {
  if (is_tenant_name(name)) return {};
  return invalid(
      fmt::format("a tenant's name has 1 to {} letters, digits, '_', '-' and '.'; "
                  "write for instance [tenant.default]",
                  kMaxTenantNameBytes));
}

GovernedTime limit_expiry(const TenantPolicy& policy, std::int64_t asked_ms, std::int64_t now_ms) {
  if (!policy.ttl_max) return {asked_ms, false};
  const std::int64_t latest_ms = after(now_ms, *policy.ttl_max);
  if (asked_ms != 0 && asked_ms <= latest_ms) return {asked_ms, false};
  return {latest_ms, true};
}

GovernedTime put_expiry(const TenantPolicy& policy, std::int64_t asked_ms, std::int64_t now_ms) {
  if (asked_ms == 0 && policy.ttl_default) return {after(now_ms, *policy.ttl_default), false};
  return limit_expiry(policy, asked_ms, now_ms);
}

GovernedTime put_erase_by(const TenantPolicy& policy, std::int64_t asked_ms, std::int64_t now_ms) {
  if (!policy.erase_by_max) return {asked_ms, false};
  const std::int64_t latest_ms = after(now_ms, *policy.erase_by_max);
  if (asked_ms != 0 && asked_ms <= latest_ms) return {asked_ms, false};
  return {latest_ms, asked_ms != 0};
}

const TenantPolicy& PolicySet::of(std::string_view tenant) const {
  if (tenants_.empty() || tenant == kDefaultTenant) return default_;
  const auto found = tenants_.find(tenant);
  return found == tenants_.end() ? default_ : found->second;
}

TenantPolicy::Duration PolicySet::shortest_erase_within() const {
  Duration shortest = default_.erase_within;
  for (const auto& [name, policy] : tenants_)
    shortest = std::min(shortest, policy.erase_within);
  return shortest;
}

void PolicySet::set(std::string name, const TenantPolicy& policy) {
  if (name == kDefaultTenant) default_ = policy;
  tenants_.insert_or_assign(std::move(name), policy);
}

std::string describe(const TenantPolicy& policy) {
  std::string text;
  for (const PolicyKey& key : kKeys) {
    const std::string value = key.show(policy);
    if (value == "none") continue;
    fmt::format_to(std::back_inserter(text), "{}{} {}", text.empty() ? "" : ", ", key.name, value);
  }
  return text;
}

std::map<std::string, std::string> describe_all(const PolicySet& policies) {
  std::map<std::string, std::string> all;
  for (const auto& [name, policy] : policies.tenants())
    all[name] = describe(policy);
  return all;
}

std::vector<std::string> describe_changes(const PolicySet& before, const PolicySet& after) {
  // The default tenant has a policy also where no file names it.
  std::vector<std::string> lines;
  describe_change(std::string(kDefaultTenant), before.default_tenant(), after.default_tenant(),
                  lines);
  for (const auto& [name, policy] : after.tenants()) {
    if (name == kDefaultTenant) continue;
    const auto old = before.tenants().find(name);
    if (old == before.tenants().end()) {
      lines.push_back(fmt::format("tenant {}: added, {}", name, describe(policy)));
    } else {
      describe_change(name, old->second, policy, lines);
    }
  }
  for (const auto& [name, policy] : before.tenants()) {
    if (name == kDefaultTenant || after.tenants().contains(name)) continue;
    lines.push_back(fmt::format("tenant {}: removed", name));
  }
  auto prices = describe_price_changes(before.prices(), after.prices());
  std::move(prices.begin(), prices.end(), std::back_inserter(lines));
  return lines;
}

}  // namespace kachel::server
