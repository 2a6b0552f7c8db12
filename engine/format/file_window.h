// A view that slides over a file, forwards only, in reads of at least 1 MiB: what walks a segment
// of any size does so in constant memory. What comes next is asked for ahead, so that the device
// reads while the caller looks at what is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "io/error.h"
#include "io/file.h"
#include "io/zeroizing.h"

namespace kachel::io {
class ReadAhead;
}

namespace kachel::format {

inline constexpr std::size_t kWindowBytes = std::size_t{1} << 20;
/// In the page cache, not in the process.
inline constexpr std::size_t kReadAheadBytes = std::size_t{8} << 20;

class FileWindow {
 public:
  /// `file` outlives the window; nothing is read at or after `end` (bytes from the start of it).
  FileWindow(const io::File& file, std::uint64_t end) : file_(&file), end_(end) {}
  /// By way of `ahead`, where that is not null: the file was opened there.
  FileWindow(const io::File& file, std::uint64_t end, io::ReadAhead* ahead)
      : file_(&file), ahead_(ahead), end_(end) {}

  std::uint64_t end() const { return end_; }

  /// The bytes at `offset`: `length` of them, or fewer at the end. Valid until the next call; no
  /// later call may ask for what lies before. kIo, also when the file has become shorter.
  Result<std::span<const std::byte>> at(std::uint64_t offset, std::size_t length);

 private:
  Result<void> slide_to(std::uint64_t offset, std::size_t length);
  void prefetch_from(std::uint64_t offset, std::size_t length);

  const io::File* file_;
  io::ReadAhead* ahead_ = nullptr;
  std::uint64_t end_;
  ZeroizingBytes buffer_;
  std::uint64_t begin_ = 0;  // offset in the file of buffer_[0]
  std::size_t filled_ = 0;
  std::uint64_t asked_to_ = 0;  // up to here the file has been told that it will be read
};

}  // namespace kachel::format
