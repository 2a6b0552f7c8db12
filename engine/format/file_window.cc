#include "engine/format/file_window.h"

#include <algorithm>
#include <cstring>

namespace kachel::format {

Result<std::span<const std::byte>> FileWindow::at(std::uint64_t offset, std::size_t length) {
  const std::uint64_t wanted_end = std::min<std::uint64_t>(end_, offset + length);
  if (wanted_end > begin_ + filled_) {
    if (auto moved = slide_to(offset, length); !moved) return moved.error();
  }
  if (offset >= begin_ + filled_) return std::span<const std::byte>{};
  const auto start = static_cast<std::size_t>(offset - begin_);
  return std::span<const std::byte>(buffer_).subspan(start, std::min(length, filled_ - start));
}

Result<void> FileWindow::slide_to(std::uint64_t offset, std::size_t length) {
  std::size_t kept = 0;
  if (offset < begin_ + filled_) {
    const auto start = static_cast<std::size_t>(offset - begin_);
    kept = filled_ - start;
    std::memmove(buffer_.data(), buffer_.data() + start, kept);
  }
  begin_ = offset;
  filled_ = kept;
  // Most segments that are scanned are short: no more memory than there is file.
  const std::uint64_t rest = end_ - std::min(end_, begin_);
  const auto room =
      static_cast<std::size_t>(std::min<std::uint64_t>(std::max(length, kWindowBytes), rest));
  if (room <= kept) return {};
  if (buffer_.size() < room) buffer_.resize(room);
  const std::size_t read = room - kept;
  const std::uint64_t ahead = std::min<std::uint64_t>(end_, begin_ + room + kReadAheadBytes);
  asked_to_ = std::max(asked_to_, begin_ + kept);
  if (ahead > asked_to_) {
    file_.prefetch(asked_to_, ahead - asked_to_);
    asked_to_ = ahead;
  }
  const auto got = file_.read_at(begin_ + kept, std::span(buffer_).subspan(kept, read));
  if (!got) return got.error();
  // What can't be read is not known to be absent.
  if (*got < read) return Error{ErrorCode::kIo, "a read ended before the end of the file"};
  filled_ += *got;
  return {};
}

}  // namespace kachel::format
