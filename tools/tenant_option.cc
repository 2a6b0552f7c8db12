#include "tools/tenant_option.h"

#include <charconv>
#include <map>

#include "engine/tenants.h"

namespace kachel::tools {

Result<std::optional<std::uint32_t>> find_tenant(const inspect::StoreView& store,
                                                 const std::string& text) {
  if (text.empty()) return std::optional<std::uint32_t>();
  if (text == kDefaultTenantName) return std::optional<std::uint32_t>(0);
  const auto names = Tenants::load(store.storage());
  std::string known(kDefaultTenantName);
  for (const auto& [number, name] : names ? *names : std::map<std::uint32_t, std::string>()) {
    if (name == text) return std::optional(number);
    known += ", " + name;
  }
  std::uint32_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code == std::errc() && end == text.data() + text.size()) return std::optional(number);
  // The numbers follow from the names; which ones there were is lost.
  const bool is_lost = !names || names->empty();
  if (is_lost && is_tenant_name(text) && store.mac_key()) {
    return std::optional(tenant_number(*store.mac_key(), text));
  }
  return Error{ErrorCode::kInvalidArgument,
               "--tenant: this store has no '" + text + "'; there are " + known};
}

}  // namespace kachel::tools
