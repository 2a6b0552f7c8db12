// Bytes on their way out and in. They grow until the largest pipeline fits, and then stay: no
// allocation for an operation in the steady state.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace kachel::bench {

/// Requests: appended at the end, sent from the beginning.
class RequestBuffer {
 public:
  void append(std::string_view bytes) {
    std::memcpy(reserve(bytes.size()), bytes.data(), bytes.size());
    end_ += bytes.size();
  }
  void append_number(std::uint64_t number) {
    char* const to = reserve(kMaxDigits);
    end_ += static_cast<std::size_t>(std::to_chars(to, to + kMaxDigits, number).ptr - to);
  }
  std::string_view waiting() const { return {bytes_.data() + begin_, end_ - begin_}; }
  void sent(std::size_t bytes) {
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }

 private:
  static constexpr std::size_t kMaxDigits = 20;

  char* reserve(std::size_t bytes) {
    if (bytes_.size() - end_ < bytes) bytes_.resize(2 * (end_ + bytes));
    return bytes_.data() + end_;
  }

  std::vector<char> bytes_ = std::vector<char>(4 * 1024);
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

/// Replies: received at the end, taken from the beginning.
class ReplyBuffer {
 public:
  std::string_view received() const { return {bytes_.data() + begin_, end_ - begin_}; }
  void take(std::size_t bytes) {
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  /// Has `bytes` follow each other from the first that is received.
  void make_room(std::size_t bytes) {
    if (begin_ > 0 && bytes_.size() - begin_ < bytes) {
      std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (bytes_.size() < bytes) bytes_.resize(bytes);
  }
  char* free_begin() { return bytes_.data() + end_; }
  std::size_t free_bytes() const { return bytes_.size() - end_; }
  void add(std::size_t bytes) { end_ += bytes; }
  std::size_t capacity() const { return bytes_.size(); }

 private:
  // Thousands of connections have one each.
  std::vector<char> bytes_ = std::vector<char>(16 * 1024);
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace kachel::bench
