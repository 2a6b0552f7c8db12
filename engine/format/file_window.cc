#include "engine/format/file_window.h"

#include <algorithm>
#include <cstring>

#include "io/read_ahead.h"

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
  const auto out = std::span(buffer_).subspan(kept, read);
  if (ahead_ == nullptr) prefetch_from(begin_ + kept, room - kept);
  const auto got =
      ahead_ != nullptr ? ahead_->read_at(begin_ + kept, out) : file_->read_at(begin_ + kept, out);
  if (!got) return got.error();
  // What can't be read is not known to be absent.
  if (*got < read) return Error{ErrorCode::kIo, "a read ended before the end of the file"};
  filled_ += *got;
  return {};
}

void FileWindow::prefetch_from(std::uint64_t offset, std::size_t length) {
  const std::uint64_t ahead = std::min<std::uint64_t>(end_, offset + length + kReadAheadBytes);
  asked_to_ = std::max(asked_to_, offset);
  if (ahead <= asked_to_) return;
  file_->prefetch(asked_to_, ahead - asked_to_);
  asked_to_ = ahead;
}

}  // namespace kachel::format
