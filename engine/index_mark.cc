#include "engine/index_mark.h"

namespace kachel {
namespace {
constexpr std::string_view kRebuildMark = "index/REBUILD";
}  // namespace

Result<void> condemn_index(io::Storage& storage) {
  auto file = storage.open(kRebuildMark, io::OpenMode::kCreate);
  if (!file && file.error().code != ErrorCode::kAlreadyExists) return file.error();
  return storage.sync_directory("index");
}

Result<bool> is_index_condemned(io::Storage& storage) {
  return storage.exists(kRebuildMark);
}

Result<void> acquit_index(io::Storage& storage) {
  auto removed = storage.remove(kRebuildMark);
  if (!removed && removed.error().code == ErrorCode::kNotFound) return {};
  return removed;
}

}  // namespace kachel
