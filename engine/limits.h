// What is refused before anything is done, each with a message that says what would do. Pure.
#pragma once

#include <string_view>

#include "engine/entry.h"
#include "engine/options.h"
#include "io/error.h"

namespace kachel {

Result<void> check_options(const Options& options);
Result<void> check_put(const Options& options, std::string_view key, std::string_view value,
                       const Metadata& metadata);

}  // namespace kachel
