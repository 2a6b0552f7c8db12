#include "engine/audit/history_reader.h"

#include <algorithm>
#include <utility>

#include "engine/audit/files.h"
#include "engine/audit/history.h"

namespace kachel::audit {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{64} << 10;
static_assert(kChunkBytes > kMaxCheckpointBytes);
constexpr std::string_view kSignature = "\n\xe2\x80\x94 ";

/// Of the first note, up to the end of its signature's line; 0 when that is not there yet.
std::size_t note_bytes(std::string_view text) {
  const std::size_t signature = text.find(kSignature);
  if (signature == std::string_view::npos) return 0;
  const std::size_t end = text.find('\n', signature + 1);
  return end == std::string_view::npos ? 0 : end + 1;
}

}  // namespace

/// False when all was read.
Result<bool> HistoryReader::fill() {
  if (!file_) {
    auto file = storage_.open(kHistoryPath, io::OpenMode::kRead);
    if (!file) return file.error();
    file_ = std::move(*file);
    const auto size = file_->size();
    if (!size) return size.error();
    size_ = *size;
  }
  const std::uint64_t bytes = std::min<std::uint64_t>(kChunkBytes, size_ - offset_);
  if (bytes == 0) return false;
  const auto more = read_range(*file_, offset_, bytes);
  if (!more) return more.error();
  offset_ += bytes;
  buffer_ += *more;
  return true;
}

Result<std::string> HistoryReader::next() {
  while (!has_failed_) {
    std::size_t bytes = note_bytes(buffer_);
    if (bytes == 0 && buffer_.size() > kChunkBytes) bytes = buffer_.size();
    if (bytes > 0) {
      std::string note = buffer_.substr(0, bytes);
      buffer_.erase(0, bytes);
      return note;
    }
    const auto filled = fill();
    if (!filled) has_failed_ = true;
    if (!filled) return filled.error();
    if (!*filled) break;
  }
  return std::exchange(buffer_, {});
}

}  // namespace kachel::audit
