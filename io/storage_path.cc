#include "io/storage_path.h"

namespace kachel::io {

namespace {

Error bad_path(std::string_view path) {
  return {ErrorCode::kInvalidArgument,
          "the path \"" + std::string(path) +
              "\" must be relative to the storage, without empty, \".\" or \"..\" components"};
}

}  // namespace

Result<std::vector<std::string_view>> split_file_path(std::string_view path) {
  if (path.find('\0') != std::string_view::npos) return bad_path(path);
  std::vector<std::string_view> components;
  for (std::string_view rest = path;;) {
    const std::size_t slash = rest.find('/');
    const std::string_view component = rest.substr(0, slash);
    if (component.empty() || component == "." || component == "..") return bad_path(path);
    components.push_back(component);
    if (slash == std::string_view::npos) return components;
    rest.remove_prefix(slash + 1);
  }
}

Result<std::vector<std::string_view>> split_directory_path(std::string_view path) {
  if (path.empty() || path == ".") return std::vector<std::string_view>{};
  return split_file_path(path);
}

}  // namespace kachel::io
