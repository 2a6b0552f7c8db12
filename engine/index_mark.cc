#include "engine/index_mark.h"

namespace kachel {
namespace {
constexpr std::string_view kMark = "index/REBUILD";
}  // namespace

Result<void> condemn_index(io::Storage& storage) {
  auto file = storage.open(kMark, io::OpenMode::kCreate);
  if (!file && file.error().code != ErrorCode::kAlreadyExists) return file.error();
  return storage.sync_directory("index");
}

Result<bool> is_index_condemned(io::Storage& storage) {
  return storage.exists(kMark);
}

Result<void> acquit_index(io::Storage& storage) {
  auto removed = storage.remove(kMark);
  if (!removed && removed.error().code == ErrorCode::kNotFound) return {};
  return removed;
}

}  // namespace kachel
