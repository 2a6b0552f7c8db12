#include "server/model_registry.h"

#include <algorithm>

namespace kachel::server {
namespace {

// Every tenant has its two series for what is not named, whatever the others take.
constexpr std::size_t kMaxNamedSlots = kMaxModelSlots / 2;

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("._:/@+-").find(c) != std::string_view::npos;
}

}  // namespace

std::string model_label(std::string_view model) {
  if (model.empty()) return std::string(kUnknownModel);
  std::string label(model.substr(0, kMaxModelLabelBytes));
  std::replace_if(
      label.begin(), label.end(), [](char c) { return !is_plain(c); }, '_');
  return label;
}

ModelSlot ModelRegistry::slot_of(std::uint32_t tenant, std::string_view model) {
  Key key{tenant, model_label(model)};
  const std::lock_guard lock(mutex_);
  if (const auto found = slots_.find(key); found != slots_.end()) return found->second;
  if (key.second == kUnknownModel || key.second == kOtherModels) return take(std::move(key));
  std::size_t& named = named_models_[tenant];
  if (named == kMaxModelsPerTenant || slots_.size() >= kMaxNamedSlots) {
    key.second = kOtherModels;
    const auto found = slots_.find(key);
    return found != slots_.end() ? found->second : take(std::move(key));
  }
  ++named;
  return take(std::move(key));
}

ModelSlot ModelRegistry::take(Key key) {
  // There are half as many tenants as slots that are left for their two.
  const std::size_t next = std::min(slots_.size(), kMaxModelSlots - 1);
  return slots_.emplace(std::move(key), static_cast<ModelSlot>(next)).first->second;
}

std::vector<ModelSeries> ModelRegistry::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<ModelSeries> series;
  series.reserve(slots_.size());
  for (const auto& [key, slot] : slots_)
    series.push_back({slot, key.first, key.second});
  return series;
}

}  // namespace kachel::server
