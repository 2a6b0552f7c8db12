// What the tenant's policy makes of a client's write. Clients that know only Redis must not
// break: they are never refused; what the policy changes is counted (INFO's section Policy).
#pragma once

#include <cstdint>
#include <optional>

#include "engine/store.h"
#include "server/session.h"

namespace kachel::server {

/// The expiry that an existing entry gets when `asked_ms` is asked for (0: none).
std::int64_t enforce_on_expiry(Session& session, std::int64_t asked_ms);

/// Sets expires_at_ms (0 before: none was named) and metadata.erase_by_ms. With keep_ttl the
/// expiry is left to enforce_on_kept_expiry().
void enforce_on_put(Session& session, PutOptions& options);

/// The same without a session.
void enforce_on_put(const TenantPolicy& policy, std::int64_t now_ms, WorkerCounters& counters,
                    PutOptions& options);

/// Whether a kept expiry must be looked at before it is kept: the policy bounds it.
bool bounds_kept_expiry(Session& session);
/// Sets expires_at_ms of a put with keep_ttl in place of the entry found.
void enforce_on_kept_expiry(Session& session, PutOptions& options,
                            const std::optional<Found>& found);

/// Whether a put of this metadata must not be stored: it names no subject.
bool lacks_subject(Session& session, const Metadata& metadata);

}  // namespace kachel::server
