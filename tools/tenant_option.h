// `--tenant`: whose entries.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/inspect/store_view.h"

namespace kachel::tools {

/// The number of the tenant that `text` names: a name that this store has had, "default", or a
/// number; nothing when it is empty. kInvalidArgument: none of these, with the names there are.
Result<std::optional<std::uint32_t>> find_tenant(const inspect::StoreView& store,
                                                 const std::string& text);

}  // namespace kachel::tools
