#include "engine/failed_sync.h"

namespace kachel {
namespace {
constexpr std::string_view kMark = "SYNC_FAILED";
}  // namespace

void mark_failed_sync(io::Storage& storage) {
  (void)storage.open(kMark, io::OpenMode::kCreate);
}

Result<void> sync_or_mark(io::Storage& storage, io::File& file) {
  auto synced = file.sync();
  if (!synced) mark_failed_sync(storage);
  return synced;
}

Result<bool> has_failed_sync(io::Storage& storage) {
  return storage.exists(kMark);
}

/// Back after a power cut, it would make that start no different.
Result<void> clear_failed_sync(io::Storage& storage) {
  auto removed = storage.remove(kMark);
  if (!removed && removed.error().code == ErrorCode::kNotFound) return {};
  return removed;
}

}  // namespace kachel
