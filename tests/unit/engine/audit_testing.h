// What the tests of the audit log share: a tree in memory, by the letter of RFC 6962.
#pragma once

#include <gtest/gtest.h>

#include "engine/audit/merkle.h"

namespace kachel::audit {

inline Hash hash_of_hex(std::string_view hex) {
  Hash hash{};
  for (std::size_t i = 0; i < hash.size(); ++i) {
    hash[i] = std::byte(std::stoul(std::string(hex.substr(2 * i, 2)), nullptr, 16));
  }
  return hash;
}

inline std::vector<Hash> hashes_of_hex(std::initializer_list<std::string_view> texts) {
  std::vector<Hash> hashes;
  for (const std::string_view text : texts)
    hashes.push_back(hash_of_hex(text));
  return hashes;
}

/// Hashes everything anew whenever it is asked.
class PlainTree final : public HashSource {
 public:
  void append(std::string_view entry) { leaves_.push_back(leaf_hash(entry)); }
  std::uint64_t size() const { return leaves_.size(); }
  const Hash& leaf(std::uint64_t index) const { return leaves_[index]; }
  Hash root(std::uint64_t size) { return tree_root(*this, size).value(); }

  Result<Hash> subtree(unsigned height, std::uint64_t index) override {
    if (height == 0) return leaves_.at(index);
    return node_hash(*subtree(height - 1, 2 * index), *subtree(height - 1, 2 * index + 1));
  }

 private:
  std::vector<Hash> leaves_;
};

}  // namespace kachel::audit
