#include "engine/inspect/erased.h"

#include <algorithm>

namespace kachel::inspect {

Result<ErasedScope> ErasedScope::of(const audit::EraseEvent& erase) {
  ErasedScope scope;
  scope.name_ = "erase " + erase.id;
  scope.tenant_ = erase.tenant;
  scope.below_ = erase.sequence;
  scope.is_tenant_ = erase.scope == audit::kTenantScope;
  for (const std::string& target : erase.targets) {
    const auto mac = parse_mac(target);
    if (!mac) return Error{ErrorCode::kInvalidArgument, "a target that is no keyed hash"};
    if (erase.scope == audit::kKeysScope) {
      scope.keys_.push_back(*mac);
    } else {
      scope.tags_.push_back(tag_of(*mac));
    }
  }
  for (const std::string& field : erase.fields) {
    const auto mac = parse_mac(field);
    if (!mac) return Error{ErrorCode::kInvalidArgument, "a field that is no keyed hash"};
    scope.fields_.push_back(*mac);
  }
  std::sort(scope.keys_.begin(), scope.keys_.end());
  std::sort(scope.fields_.begin(), scope.fields_.end());
  if (erase.scope == audit::kKeysScope) {
    scope.database_ = static_cast<std::uint8_t>(erase.database);
  }
  if (!scope.is_tenant_ && scope.keys_.empty() && scope.tags_.empty()) {
    return Error{ErrorCode::kInvalidArgument, "it names nothing that was erased"};
  }
  return scope;
}

ErasedScope ErasedScope::of_key(const RowKey& key) {
  ErasedScope scope;
  scope.name_ = "key with the hash " + text_of(key.mac);
  scope.tenant_ = key.space.tenant;
  scope.database_ = key.space.database;
  scope.keys_.push_back(key.mac);
  return scope;
}

ErasedScope ErasedScope::of_hash(Namespace fields, const HashPrefix& prefix) {
  ErasedScope scope;
  Mac shown;
  std::copy(prefix.begin(), prefix.end(), shown.bytes.begin());
  scope.name_ =
      "fields of the hash whose hashes begin with " + text_of(shown).substr(0, 2 * prefix.size());
  scope.tenant_ = fields.tenant;
  scope.database_ = fields.database;
  scope.hash_ = prefix;
  return scope;
}

ErasedScope ErasedScope::of_subject(std::uint32_t tenant, const Mac& mac) {
  ErasedScope scope;
  scope.name_ = "subject with the hash " + text_of(mac);
  scope.tenant_ = tenant;
  scope.tags_.push_back(tag_of(mac));
  return scope;
}

bool ErasedScope::covers(Namespace space, const Mac& mac, const ScopeTags& tags,
                         std::uint64_t version) const {
  if (space.tenant != tenant_ || version >= below_) return false;
  if (is_tenant_) return true;
  if (database_ && covers_key(space, mac)) return true;
  return std::any_of(tags.begin(), tags.end(), [this](ScopeTag tag) {
    return std::find(tags_.begin(), tags_.end(), tag) != tags_.end();
  });
}

bool ErasedScope::covers_key(Namespace space, const Mac& mac) const {
  if (space.database == *database_) {
    return (hash_ && prefix_of(mac) == *hash_) ||
           std::binary_search(keys_.begin(), keys_.end(), mac);
  }
  return space == fields_of({tenant_, *database_}) &&
         std::binary_search(fields_.begin(), fields_.end(), mac);
}

bool ErasedScope::covers(const format::SegmentDictionary& dictionary) const {
  if (dictionary.space.tenant != tenant_) return false;
  if (is_tenant_) return format::lowest_version_of(dictionary) < below_;
  for (const format::DictionarySample& sample : dictionary.samples) {
    if (sample.version < below_ && database_ && covers_key(dictionary.space, sample.mac)) {
      return true;
    }
  }
  return std::any_of(dictionary.scopes.begin(), dictionary.scopes.end(),
                     [this](const format::DictionaryScope& scope) {
                       return scope.lowest_version < below_ &&
                              std::find(tags_.begin(), tags_.end(), scope.tag) != tags_.end();
                     });
}

}  // namespace kachel::inspect
