#include "server/policy_enforcement.h"

#include "server/policy.h"

namespace kachel::server {
namespace {

/// The time; counts it in `counter` when it was clamped.
std::int64_t counted(const GovernedTime& time, std::atomic<std::uint64_t>& counter) {
  if (time.clamped) WorkerCounters::add(counter, 1);
  return time.at_ms;
}

}  // namespace

std::int64_t enforce_on_expiry(Session& session, std::int64_t asked_ms) {
  const GovernedTime expiry = limit_expiry(session.policy(), asked_ms, session.store().now_ms());
  return counted(expiry, session.counters().ttl_clamped);
}

void enforce_on_put(Session& session, PutOptions& options) {
  enforce_on_put(session.policy(), session.store().now_ms(), session.counters(), options);
}

void enforce_on_put(const TenantPolicy& policy, std::int64_t now_ms, WorkerCounters& counters,
                    PutOptions& options) {
  options.metadata.erase_by_ms = counted(put_erase_by(policy, options.metadata.erase_by_ms, now_ms),
                                         counters.erase_by_clamped);
  if (options.keep_ttl) return;
  options.expires_at_ms =
      counted(put_expiry(policy, options.expires_at_ms, now_ms), counters.ttl_clamped);
}

bool bounds_kept_expiry(Session& session) {
  const TenantPolicy policy = session.policy();
  return policy.ttl_default || policy.ttl_max;
}

void enforce_on_kept_expiry(Session& session, PutOptions& options,
                            const std::optional<Found>& found) {
  options.keep_ttl = false;
  if (found) {
    options.expires_at_ms = enforce_on_expiry(session, found->expires_at_ms);
  } else {
    enforce_on_put(session, options);  // there is none to keep: as if none was named
  }
}

bool lacks_subject(Session& session, const Metadata& metadata) {
  return metadata.subjects.empty() && session.policy().require_subject;
}

}  // namespace kachel::server
