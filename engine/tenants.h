// Which number stands for a tenant's name in keys, records and the index.
//
// A number follows from the name and the store's key, so that it is the same again when the file
// `tenants` is lost. The file has all names there ever were: two that share a number (one pair in
// four billion) would read each other's entries, and the second of them is refused.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "engine/mac.h"
#include "io/error.h"
#include "io/storage.h"

namespace kachel {

inline constexpr std::string_view kDefaultTenantName = "default";  // always 0
inline constexpr std::size_t kMaxTenantNameBytes = 64;

/// 1 to kMaxTenantNameBytes letters, digits, '_', '-' and '.'.
bool is_tenant_name(std::string_view name);

/// Without looking whether another name has it.
std::uint32_t tenant_number(const MacKey& key, std::string_view name);

/// The last line of the file `tenants`, over those before it.
std::string tenants_checksum(std::string_view text);

class Tenants {
 public:
  /// `storage` outlives it. Blocks. kCorrupt when the file is there and can't be read.
  static Result<std::map<std::uint32_t, std::string>> load(io::Storage& storage);

  Tenants(io::Storage& storage, const MacKey& key) : storage_(storage), key_(key) {}

  /// The number of the name, which is known for good when this returns. Blocks when it is new. Any
  /// thread. kInvalidArgument: no such name, or its number is another's; kCorrupt, kNoSpace, kIo.
  Result<std::uint32_t> number_of(std::string_view name);

 private:
  Result<void> write(const std::map<std::uint32_t, std::string>& names);

  io::Storage& storage_;
  const MacKey key_;
  std::mutex mutex_;
  bool is_loaded_ = false;                      // guarded by mutex_
  std::map<std::uint32_t, std::string> names_;  // guarded by mutex_; all of them are in the file
};

}  // namespace kachel
