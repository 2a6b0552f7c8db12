// The lines of a text file, plain or compressed with zstd (told by its first bytes).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "io/error.h"

namespace kachel::bench {

/// Calls `take` with each line, without its end; a false ends it early.
Result<void> for_each_line(const std::string& path,
                           const std::function<bool(std::string_view)>& take);

}  // namespace kachel::bench
