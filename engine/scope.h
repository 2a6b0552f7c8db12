// Whose entries an erase can name besides a key and a tenant: a subject's, or a model's.
//
// Outside the records' own text a scope is known by its MAC, and by its tag: the first 64 bits of
// it. Two scopes of a store share a tag once in 2^64 pairs; what they share then is being erased.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/mac.h"

namespace kachel {

/// In the place of a database, so that a scope's MAC is no key's.
inline constexpr std::uint8_t kSubjectScope = 254;
inline constexpr std::uint8_t kModelScope = 253;

enum class ScopeKind : std::uint8_t { kSubject, kModel };

/// The scope's namespace: the tenant, and the kind for a database.
constexpr Namespace scope_space(std::uint32_t tenant, ScopeKind kind) {
  return {tenant, kind == ScopeKind::kSubject ? kSubjectScope : kModelScope};
}
constexpr bool is_scope(Namespace space) {
  return space.database == kSubjectScope || space.database == kModelScope;
}
inline ScopeTag tag_of(const Mac& mac) {
  return mac.low();
}

inline Mac scope_mac(const MacKey& key, std::uint32_t tenant, ScopeKind kind,
                     std::string_view text) {
  return key_mac(key, scope_space(tenant, kind), text);
}

/// `Texts`: any range of what converts to std::string_view.
template <typename Texts>
ScopeTags scope_tags(const MacKey& key, std::uint32_t tenant, std::string_view model,
                     const Texts& subjects) {
  ScopeTags tags;
  if (!model.empty()) tags.push_back(tag_of(scope_mac(key, tenant, ScopeKind::kModel, model)));
  for (const auto& subject : subjects)
    tags.push_back(tag_of(scope_mac(key, tenant, ScopeKind::kSubject, subject)));
  return tags;
}

}  // namespace kachel
