// The vectors are those of Certificate Transparency's reference implementation.
#include "tests/unit/engine/audit_testing.h"

namespace kachel::audit {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kLeaves[] = {""sv,   "\0"sv,   "\x10"sv,     " !"sv,
                                        "01"sv, "@ABC"sv, "PQRSTUVW"sv, "`abcdefghijklmno"sv};
constexpr std::string_view kRoots[] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

PlainTree vector_tree() {
  PlainTree tree;
  for (const std::string_view leaf : kLeaves)
    tree.append(leaf);
  return tree;
}

PlainTree tree_of(std::uint64_t size) {
  PlainTree tree;
  for (std::uint64_t i = 0; i < size; ++i)
    tree.append("entry " + std::to_string(i));
  return tree;
}

TEST(AuditMerkle, RootsAreThePublishedOnes) {
  PlainTree tree = vector_tree();
  Frontier frontier;
  for (std::size_t size = 0; size < std::size(kRoots); ++size) {
    EXPECT_EQ(tree.root(size), hash_of_hex(kRoots[size]));
    EXPECT_EQ(frontier.root(), hash_of_hex(kRoots[size]));
    if (size < std::size(kLeaves)) frontier.append(leaf_hash(kLeaves[size]));
  }
}

TEST(AuditMerkle, ProofsAreThePublishedOnes) {
  PlainTree tree = vector_tree();
  EXPECT_EQ(*inclusion_path(tree, 0, 8),
            hashes_of_hex({"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                           "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                           "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}));
  EXPECT_EQ(*inclusion_path(tree, 5, 8),
            hashes_of_hex({"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                           "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                           "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}));
  EXPECT_EQ(*inclusion_path(tree, 1, 5),
            hashes_of_hex({"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                           "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                           "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}));
  EXPECT_EQ(*consistency_path(tree, 6, 8),
            hashes_of_hex({"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                           "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                           "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}));
  EXPECT_EQ(*consistency_path(tree, 2, 5),
            hashes_of_hex({"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                           "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}));
}

constexpr std::uint64_t kMost = 70;  // leaves: past 64, with every shape of right edge below

/// One bit of one hash, in turn all of its bytes.
void flip(std::vector<Hash>& path, std::size_t hash, std::size_t bit) {
  path[hash][bit / 8] ^= std::byte(1u << bit % 8);
}

TEST(AuditMerkle, EveryInclusionProofHoldsAndNoAlteredOneDoes) {
  PlainTree tree = tree_of(kMost);
  std::size_t turn = 0;
  for (std::uint64_t size = 1; size <= kMost; ++size) {
    const Hash root = tree.root(size);
    for (std::uint64_t index = 0; index < size; ++index) {
      std::vector<Hash> path = *inclusion_path(tree, index, size);
      const Hash& leaf = tree.leaf(index);
      ASSERT_TRUE(verify_inclusion(leaf, index, size, root, path)) << index << " of " << size;
      for (std::size_t i = 0; i < path.size(); ++i, turn += 37) {
        flip(path, i, turn % 256);
        EXPECT_FALSE(verify_inclusion(leaf, index, size, root, path));
        flip(path, i, turn % 256);
      }
      EXPECT_FALSE(verify_inclusion(leaf, index + 1, size, root, path));
      EXPECT_FALSE(verify_inclusion(tree.leaf((index + 1) % kMost), index, size, root, path));
      EXPECT_FALSE(verify_inclusion(leaf, index, size, tree.root(size - 1), path));
      path.push_back(root);
      EXPECT_FALSE(verify_inclusion(leaf, index, size, root, path));
      path.pop_back();
      if (path.empty()) continue;
      path.pop_back();
      EXPECT_FALSE(verify_inclusion(leaf, index, size, root, path));
    }
  }
}

TEST(AuditMerkle, EveryBitOfAProofMatters) {
  PlainTree tree = tree_of(kMost);
  for (const std::uint64_t index : {0u, 37u, 69u}) {
    const Hash root = tree.root(kMost);
    std::vector<Hash> path = *inclusion_path(tree, index, kMost);
    for (std::size_t bit = 0; bit < path.size() * 256; ++bit) {
      flip(path, bit / 256, bit % 256);
      EXPECT_FALSE(verify_inclusion(tree.leaf(index), index, kMost, root, path));
      flip(path, bit / 256, bit % 256);
    }
  }
}

TEST(AuditMerkle, EveryConsistencyProofHoldsAndNoAlteredOneDoes) {
  PlainTree tree = tree_of(kMost);
  std::size_t turn = 0;
  for (std::uint64_t second = 0; second <= kMost; ++second) {
    const Hash second_root = tree.root(second);
    for (std::uint64_t first = 0; first <= second; ++first) {
      const Hash first_root = tree.root(first);
      std::vector<Hash> path = *consistency_path(tree, first, second);
      ASSERT_TRUE(verify_consistency(first, first_root, second, second_root, path))
          << first << " to " << second;
      for (std::size_t i = 0; i < path.size(); ++i, turn += 37) {
        flip(path, i, turn % 256);
        EXPECT_FALSE(verify_consistency(first, first_root, second, second_root, path));
        flip(path, i, turn % 256);
      }
      Hash other = first_root;
      other[7] ^= std::byte{16};
      EXPECT_FALSE(verify_consistency(first, other, second, second_root, path));
      other = second_root;
      other[31] ^= std::byte{1};
      EXPECT_EQ(verify_consistency(first, first_root, second, other, path),
                first == 0 && second != 0);  // anything may come of nothing
      path.push_back(second_root);
      EXPECT_FALSE(verify_consistency(first, first_root, second, second_root, path));
    }
  }
}

TEST(AuditMerkle, ProofsOfAbsurdTreesAreRefused) {
  const Hash hash = leaf_hash("x");
  const std::vector<Hash> path(1000, hash);
  constexpr std::uint64_t kHuge = ~std::uint64_t{0};
  EXPECT_FALSE(verify_inclusion(hash, 0, 0, hash, {}));
  EXPECT_FALSE(verify_inclusion(hash, kHuge, kHuge, hash, path));
  EXPECT_FALSE(verify_inclusion(hash, kHuge - 1, kHuge, hash, path));
  EXPECT_FALSE(verify_consistency(2, hash, 1, hash, path));
  EXPECT_FALSE(verify_consistency(kHuge - 1, hash, kHuge, hash, path));
  EXPECT_FALSE(verify_consistency(3, hash, 5, hash, {}));
}

}  // namespace
}  // namespace kachel::audit
