#include "server/output_chain.h"

#include <algorithm>
#include <utility>

namespace kachel::server {

ZeroizingString ChunkPool::take() {
  if (chunks_.empty()) return {};
  ZeroizingString chunk = std::move(chunks_.back());
  chunks_.pop_back();
  return chunk;
}

void ChunkPool::give(ZeroizingString&& chunk) {
  if (chunks_.size() >= kMaxChunks || chunk.capacity() < kMinChunkBytes ||
      chunk.capacity() > kMaxChunkBytes) {
    return;
  }
  chunk.zeroize_text();
  chunks_.push_back(std::move(chunk));
}

void OutputChain::start_tail() {
  if (tail_.capacity() < 64) tail_ = pool_->take();
}

void OutputChain::append_value(const Entry::Pointer& entry) {
  const std::string_view value = entry->value();
  if (value.size() < kReferencedValueBytes) return append(value);
  seal_tail(entry);
  bytes_ += value.size();
}

void OutputChain::seal_tail(Entry::Pointer entry) {
  pieces_.push_back({std::exchange(tail_, {}), std::move(entry)});
}

void OutputChain::splice(OutputChain&& other) {
  if (other.pieces_.empty()) {
    append(other.tail_);
  } else {
    if (!tail_.empty()) seal_tail(nullptr);
    for (Piece& piece : other.pieces_)
      pieces_.push_back(std::move(piece));
    tail_ = std::move(other.tail_);
    bytes_ += other.bytes_;
  }
  other.clear();
}

std::size_t OutputChain::gather(std::span<iovec> out) const {
  std::size_t used = 0;
  std::size_t skip = written_;
  const auto add = [&](std::string_view part) {
    const std::size_t skipped = std::min(skip, part.size());
    skip -= skipped;
    part.remove_prefix(skipped);
    if (part.empty() || used == out.size()) return;
    out[used++] = {const_cast<char*>(part.data()), part.size()};
  };
  for (std::size_t i = first_; i < pieces_.size() && used < out.size(); ++i) {
    add(pieces_[i].text);
    if (pieces_[i].entry) add(pieces_[i].entry->value());
  }
  add(tail_);
  return used;
}

void OutputChain::consume(std::size_t bytes) {
  bytes_ -= bytes;
  written_ += bytes;
  while (first_ < pieces_.size() && written_ >= pieces_[first_].size())
    drop_front();
  if (bytes_ == 0) clear();
}

void OutputChain::drop_front() {
  constexpr std::size_t kCompactAt = 64;
  Piece& piece = pieces_[first_];
  written_ -= piece.size();
  if (pool_ != nullptr) pool_->give(std::move(piece.text));
  piece = {};
  if (++first_ < kCompactAt || first_ * 2 < pieces_.size()) return;
  pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
  first_ = 0;
}

void OutputChain::clear() {
  if (pool_ != nullptr) pool_->give(std::move(tail_));
  tail_ = {};
  if (!pieces_.empty()) pieces_ = {};
  first_ = written_ = bytes_ = 0;
}

std::string OutputChain::to_string() const {
  std::vector<iovec> parts(pieces_.size() * 2 + 1);
  const std::size_t used = gather(parts);
  std::string text;
  for (std::size_t i = 0; i < used; ++i) {
    text.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  }
  return text;
}

}  // namespace kachel::server
