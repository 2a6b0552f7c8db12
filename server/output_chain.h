// Reply bytes on their way out: owned text, and large values by reference, in order, written
// with one gather write. One session's or one reply slot's; worker thread only.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <sys/uio.h>
#include <vector>

#include "engine/entry.h"

namespace kachel::server {

/// Values of at least this size are referenced, smaller ones copied: below it the copy is
/// cheaper than one more piece of the gather write.
inline constexpr std::size_t kReferencedValueBytes = 16 * 1024;

/// Emptied text buffers of one worker, kept for the next replies, so that an idle client
/// holds none and a busy one does not grow a new one each turn.
class ChunkPool {
 public:
  ZeroizingString take();
  /// Zeroed: who uses it next may not fill it.
  void give(ZeroizingString&& chunk);

 private:
  static constexpr std::size_t kMaxChunks = 32;
  static constexpr std::size_t kMinChunkBytes = 1024;
  static constexpr std::size_t kMaxChunkBytes = 256 * 1024;
  std::vector<ZeroizingString> chunks_;
};

class OutputChain {
 public:
  explicit OutputChain(ChunkPool* pool = nullptr) : pool_(pool) {}

  void append(std::string_view text) {
    if (tail_.empty() && pool_ != nullptr) start_tail();
    tail_.append(text);
    bytes_ += text.size();
  }
  void append(char c) { append(std::string_view(&c, 1)); }
  /// Copied or referenced, by size.
  void append_value(const Entry::Pointer& entry);
  /// Moves everything of `other` behind this.
  void splice(OutputChain&& other);

  std::size_t bytes() const { return bytes_; }
  bool empty() const { return bytes_ == 0; }
  /// Fills `out` from the front; how many it used.
  std::size_t gather(std::span<iovec> out) const;
  /// `bytes` <= bytes() have been written.
  void consume(std::size_t bytes);
  void clear();
  /// The bytes as one string, for tests.
  std::string to_string() const;

 private:
  struct Piece {
    ZeroizingString text;
    Entry::Pointer entry;  // its value follows the text; may be null
    std::size_t size() const { return text.size() + (entry ? entry->value().size() : 0); }
  };
  void start_tail();
  void seal_tail(Entry::Pointer entry);
  void drop_front();

  ChunkPool* pool_;
  std::vector<Piece> pieces_;  // before tail_
  std::size_t first_ = 0;      // pieces_ before it have been written
  std::size_t written_ = 0;    // bytes written of the front: pieces_[first_], or tail_
  ZeroizingString tail_;
  std::size_t bytes_ = 0;  // not yet written
};

}  // namespace kachel::server
