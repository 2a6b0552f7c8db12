// Which model's numbers are kept apart, and under which label: a bounded number a tenant, as each
// is a time series for every metric by model. Any thread; asked once a worker and model, so its
// lock is no worker's concern.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kachel::server {

inline constexpr std::size_t kMaxModelsPerTenant = 64;  // those beyond share `other`
inline constexpr std::size_t kMaxModelSlots = 4096;     // of all tenants
inline constexpr std::size_t kMaxModelLabelBytes = 64;
inline constexpr std::string_view kOtherModels = "other";
inline constexpr std::string_view kUnknownModel = "unknown";  // of entries that name none

/// Of a series, in the order in which they came up.
using ModelSlot = std::uint16_t;

struct ModelSeries {
  ModelSlot slot = 0;
  std::uint32_t tenant = 0;
  std::string label;
};

class ModelRegistry {
 public:
  /// `model` may be empty.
  ModelSlot slot_of(std::uint32_t tenant, std::string_view model);
  /// By tenant and label.
  std::vector<ModelSeries> all() const;

 private:
  using Key = std::pair<std::uint32_t, std::string>;
  ModelSlot take(Key key);

  mutable std::mutex mutex_;
  std::map<Key, ModelSlot> slots_;                     // guarded by mutex_
  std::map<std::uint32_t, std::size_t> named_models_;  // a tenant, guarded by mutex_
};

/// Letters, digits and "._:/@+-" as they are, '_' for anything else, cut to kMaxModelLabelBytes.
std::string model_label(std::string_view model);

}  // namespace kachel::server
