// What an erase covers, as far as a record, a row or a dictionary tells. Pure.
#pragma once

#include <string>
#include <vector>

#include "engine/audit/receipt.h"
#include "engine/format/footer.h"
#include "engine/format/segment_dictionary.h"
#include "engine/index.h"

namespace kachel::inspect {

/// One erase: by its receipt, or by names that should be nowhere (then of any version).
class ErasedScope {
 public:
  /// kInvalidArgument when the event names what can't be.
  static Result<ErasedScope> of(const audit::EraseEvent& erase);
  /// Of a tenant's key or subject; what it is called in messages never has the name itself.
  static ErasedScope of_key(const RowKey& key);
  /// Of all fields of a hash, which are in the namespace `fields`.
  static ErasedScope of_hash(Namespace fields, const HashPrefix& prefix);
  static ErasedScope of_subject(std::uint32_t tenant, const Mac& mac);

  const std::string& name() const { return name_; }
  std::uint32_t tenant() const { return tenant_; }
  bool covers(Namespace space, const Mac& mac, const ScopeTags& tags, std::uint64_t version) const;
  bool covers(const format::RecordSummary& put) const {
    return covers(put.space, put.mac, put.tags, put.version);
  }
  /// Whether text of what it covers may be in there.
  bool covers(const format::SegmentDictionary& dictionary) const;

 private:
  bool covers_key(Namespace space, const Mac& mac) const;

  std::string name_;
  std::uint32_t tenant_ = 0;
  bool is_tenant_ = false;
  std::optional<std::uint8_t> database_{};  // of keys
  std::vector<Mac> keys_;                   // ascending
  std::vector<Mac> fields_;                 // ascending; in the database's namespace of fields
  std::optional<HashPrefix> hash_{};        // in the database_
  std::vector<ScopeTag> tags_;
  std::uint64_t below_ = UINT64_MAX;  // version
};

}  // namespace kachel::inspect
