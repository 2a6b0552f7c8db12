#include "engine/audit/merkle.h"

#include <bit>
#include <sodium.h>

#include "io/check.h"

namespace kachel::audit {
namespace {

constexpr unsigned char kLeafPrefix = 0;
constexpr unsigned char kNodePrefix = 1;

class Sha256 {
 public:
  Sha256() { crypto_hash_sha256_init(&state_); }
  Sha256& add(unsigned char byte) {
    crypto_hash_sha256_update(&state_, &byte, 1);
    return *this;
  }
  Sha256& add(std::span<const std::byte> bytes) {
    if (!bytes.empty())
      crypto_hash_sha256_update(&state_, reinterpret_cast<const unsigned char*>(bytes.data()),
                                bytes.size());
    return *this;
  }
  Hash finish() {
    Hash hash;
    crypto_hash_sha256_final(&state_, reinterpret_cast<unsigned char*>(hash.data()));
    return hash;
  }

 private:
  crypto_hash_sha256_state state_;
};

/// Leaves [begin, end) of the tree, whose hash is that of a tree of their own.
struct Range {
  std::uint64_t begin;
  std::uint64_t end;

  std::uint64_t size() const { return end - begin; }
  bool is_complete() const { return std::has_single_bit(size()) && begin % size() == 0; }
  /// As RFC 6962 splits it: the largest power of two below its size goes left.
  std::uint64_t middle() const { return begin + std::bit_floor(size() - 1); }
};

Result<Hash> range_hash(HashSource& source, Range range) {
  if (range.is_complete()) {
    return source.subtree(static_cast<unsigned>(std::countr_zero(range.size())),
                          range.begin / range.size());
  }
  auto left = range_hash(source, {range.begin, range.middle()});
  if (!left) return left;
  auto right = range_hash(source, {range.middle(), range.end});
  if (!right) return right;
  return node_hash(*left, *right);
}

/// Appends the hashes of what was left aside on the way down, from the bottom up.
Result<std::vector<Hash>> hashes_of(HashSource& source, std::span<const Range> aside) {
  std::vector<Hash> hashes;
  for (std::size_t i = aside.size(); i-- > 0;) {
    auto hash = range_hash(source, aside[i]);
    if (!hash) return hash.error();
    hashes.push_back(*hash);
  }
  return hashes;
}

}  // namespace

Hash sha256(std::span<const std::byte> bytes) {
  return Sha256().add(bytes).finish();
}

Hash leaf_hash(std::string_view entry) {
  return Sha256().add(kLeafPrefix).add(std::as_bytes(std::span(entry))).finish();
}

Hash node_hash(const Hash& left, const Hash& right) {
  return Sha256().add(kNodePrefix).add(left).add(right).finish();
}

Hash empty_root() {
  return sha256(std::string_view());
}

void Frontier::append(const Hash& leaf) {
  Hash hash = leaf;
  for (std::uint64_t bits = size_; (bits & 1) != 0; bits >>= 1) {
    hash = node_hash(peaks_.back(), hash);
    peaks_.pop_back();
  }
  peaks_.push_back(hash);
  ++size_;
}

Hash Frontier::root() const {
  if (peaks_.empty()) return empty_root();
  Hash hash = peaks_.back();
  for (std::size_t i = peaks_.size() - 1; i-- > 0;)
    hash = node_hash(peaks_[i], hash);
  return hash;
}

Result<Hash> tree_root(HashSource& source, std::uint64_t size) {
  if (size == 0) return empty_root();
  return range_hash(source, {0, size});
}

Result<std::vector<Hash>> inclusion_path(HashSource& source, std::uint64_t index,
                                         std::uint64_t size) {
  KACHEL_CHECK(index < size, "a leaf's proof in a tree without it");
  std::vector<Range> aside;
  Range range{0, size};
  while (range.size() > 1) {
    const std::uint64_t middle = range.middle();
    const bool goes_left = index < middle;
    aside.push_back(goes_left ? Range{middle, range.end} : Range{range.begin, middle});
    range = goes_left ? Range{range.begin, middle} : Range{middle, range.end};
  }
  return hashes_of(source, aside);
}

Result<std::vector<Hash>> consistency_path(HashSource& source, std::uint64_t first,
                                           std::uint64_t second) {
  KACHEL_CHECK(first <= second, "a larger tree cannot have become a smaller one");
  if (first == 0 || first == second) return std::vector<Hash>{};
  std::vector<Range> aside;
  Range range{0, second};
  while (range.end != first) {
    const std::uint64_t middle = range.middle();
    const bool goes_left = first <= middle;
    aside.push_back(goes_left ? Range{middle, range.end} : Range{range.begin, middle});
    range = goes_left ? Range{range.begin, middle} : Range{middle, range.end};
  }
  // The verifier knows the first tree's root.
  if (range.begin != 0) aside.push_back(range);
  return hashes_of(source, aside);
}

// Both as in RFC 9162, 2.1.3.2 and 2.1.4.2, which say it bit by bit. Each step shortens `last`, so
// that a path may be as long as it likes.

bool verify_inclusion(const Hash& leaf, std::uint64_t index, std::uint64_t size, const Hash& root,
                      std::span<const Hash> path) {
  if (index >= size) return false;
  std::uint64_t node = index;
  std::uint64_t last = size - 1;
  Hash hash = leaf;
  for (const Hash& sibling : path) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      hash = node_hash(sibling, hash);
      while ((node & 1) == 0 && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      hash = node_hash(hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && hash == root;
}

bool verify_consistency(std::uint64_t first, const Hash& first_root, std::uint64_t second,
                        const Hash& second_root, std::span<const Hash> path) {
  if (first > second) return false;
  if (first == second) return path.empty() && first_root == second_root;
  if (first == 0) return path.empty() && first_root == empty_root();
  std::uint64_t node = first - 1;
  std::uint64_t last = second - 1;
  while ((node & 1) != 0) {
    node >>= 1;
    last >>= 1;
  }
  Hash seed = first_root;
  if (!std::has_single_bit(first)) {
    if (path.empty()) return false;
    seed = path.front();
    path = path.subspan(1);
  }
  Hash old_hash = seed;
  Hash new_hash = seed;
  for (const Hash& sibling : path) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      old_hash = node_hash(sibling, old_hash);
      new_hash = node_hash(sibling, new_hash);
      while ((node & 1) == 0 && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      new_hash = node_hash(new_hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && old_hash == first_root && new_hash == second_root;
}

}  // namespace kachel::audit
