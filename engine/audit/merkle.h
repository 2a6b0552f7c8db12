// Merkle trees as in RFC 6962: hashes, proofs and their verification. Pure; any thread. What is
// verified may come from anyone: sizes and proofs of any kind are borne and refused.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "io/error.h"

namespace kachel::audit {

inline constexpr std::size_t kHashBytes = 32;
using Hash = std::array<std::byte, kHashBytes>;  // SHA-256

/// A tree of 2^63 leaves needs no more, nor does a proof between two such trees.
inline constexpr std::size_t kMaxProofHashes = 64;
inline constexpr std::uint64_t kMaxTreeSize = std::uint64_t{1} << 62;

Hash sha256(std::span<const std::byte> bytes);
inline Hash sha256(std::string_view text) {
  return sha256(std::as_bytes(std::span(text)));
}
Hash leaf_hash(std::string_view entry);
Hash node_hash(const Hash& left, const Hash& right);
/// The root of a tree without leaves.
Hash empty_root();

/// The complete subtrees, from large to small, that make up a tree: enough to let it grow. 32
/// bytes for each bit of its size.
class Frontier {
 public:
  Frontier() = default;
  /// `peaks`: the roots of the complete subtrees, one for each bit of `size`, large to small.
  Frontier(std::uint64_t size, std::vector<Hash> peaks) : size_(size), peaks_(std::move(peaks)) {}

  void append(const Hash& leaf);
  std::uint64_t size() const { return size_; }
  Hash root() const;

 private:
  std::uint64_t size_ = 0;
  std::vector<Hash> peaks_;
};

/// Where a tree's hashes are kept.
class HashSource {
 public:
  virtual ~HashSource() = default;
  /// The root of the complete subtree over leaves [index * 2^height, (index + 1) * 2^height).
  virtual Result<Hash> subtree(unsigned height, std::uint64_t index) = 0;
};

/// The root of the tree's first `size` leaves.
Result<Hash> tree_root(HashSource& source, std::uint64_t size);
/// RFC 6962, 2.1.1; index < size.
Result<std::vector<Hash>> inclusion_path(HashSource& source, std::uint64_t index,
                                         std::uint64_t size);
/// RFC 6962, 2.1.2; first <= second. Empty when either is 0 or they are the same.
Result<std::vector<Hash>> consistency_path(HashSource& source, std::uint64_t first,
                                           std::uint64_t second);

/// Whether the leaf with this hash is the one at `index` in the tree of this size and root.
bool verify_inclusion(const Hash& leaf, std::uint64_t index, std::uint64_t size, const Hash& root,
                      std::span<const Hash> path);
/// Whether the first tree is what the second began as.
bool verify_consistency(std::uint64_t first, const Hash& first_root, std::uint64_t second,
                        const Hash& second_root, std::span<const Hash> path);

}  // namespace kachel::audit
