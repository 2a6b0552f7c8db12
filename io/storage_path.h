// The rules for paths inside a Storage, the same for every implementation: relative, '/'
// between components, no empty, "." or ".." component, no NUL.
#pragma once

#include <string_view>
#include <vector>

#include "io/error.h"

namespace kachel::io {

/// The components of a file's path; kInvalidArgument when the rules are broken.
Result<std::vector<std::string_view>> split_file_path(std::string_view path);
/// The same for a directory, where "" and "." name the root (no components).
Result<std::vector<std::string_view>> split_directory_path(std::string_view path);

}  // namespace kachel::io
