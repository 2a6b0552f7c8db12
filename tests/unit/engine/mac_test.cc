#include "engine/mac.h"

#include <gtest/gtest.h>
#include <set>

#include "engine/field_key.h"
#include "format_testing.h"

namespace kachel {
namespace {

// The message of the reference vectors is 00 01 02 ...; ours begins with tenant and database.
std::string vector_of(std::size_t length) {
  std::string text;
  for (std::size_t i = 5; i < length; ++i)
    text += static_cast<char>(i);
  return format::hex(key_mac(format::test_mac_key(), {0x03020100, 4}, text).bytes);
}

// Source: vectors_sip128 of the SipHash reference implementation, key 00..0f.
TEST(KeyMac, GivesTheReferenceVectors) {
  EXPECT_EQ(vector_of(5), "1368875980776f8854527a07690e9627");
  EXPECT_EQ(vector_of(6), "14eeca338b208613485ea0308fd7a15e");
  EXPECT_EQ(vector_of(7), "a1f1ebbed8dbc153c0b84aa61ff08239");
  EXPECT_EQ(vector_of(15), "5493e99933b0a8117e08ec0f97cfc3d9");
}

TEST(KeyMac, TenantsDatabasesKeysAndStoresAreApart) {
  MacKey other = format::test_mac_key();
  other[15] ^= std::byte{1};
  const std::set<Mac> macs{
      key_mac(format::test_mac_key(), {1, 0}, "key"),
      key_mac(format::test_mac_key(), {2, 0}, "key"),
      key_mac(format::test_mac_key(), {1, 1}, "key"),
      key_mac(format::test_mac_key(), {1, 0}, "kez"),
      key_mac(format::test_mac_key(), {1, 0}, std::string_view("key\0", 4)),
      key_mac(format::test_mac_key(), {1, 0}, ""),
      key_mac(other, {1, 0}, "key"),
  };
  EXPECT_EQ(macs.size(), 7u);
}

TEST(KeyMac, LongKeysAreTakenWhole) {
  std::set<Mac> macs;
  for (std::size_t size = 1000; size < 1040; ++size) {
    macs.insert(key_mac(format::test_mac_key(), {1, 0}, std::string(size, 'k')));
  }
  EXPECT_EQ(macs.size(), 40u);
  const std::string longest(std::size_t{64} * 1024, 'k');
  std::string changed = longest;
  changed.back() = 'l';
  EXPECT_NE(key_mac(format::test_mac_key(), {1, 0}, longest),
            key_mac(format::test_mac_key(), {1, 0}, changed));
}

TEST(KeyMac, FieldsOfOneHashShareTheirFirstBytes) {
  const MacKey key = format::test_mac_key();
  const Namespace fields = fields_of({1, 3});
  const Mac a = key_mac(key, fields, field_key("hash", "a"));
  const Mac b = key_mac(key, fields, field_key("hash", "b"));
  const Mac other = key_mac(key, fields, field_key("hasi", "a"));
  EXPECT_NE(a, b);
  EXPECT_EQ(prefix_of(a), prefix_of(b));
  EXPECT_EQ(prefix_of(a), hash_prefix(key, fields, "hash"));
  EXPECT_NE(prefix_of(a), prefix_of(other));
  EXPECT_NE(prefix_of(a), prefix_of(key_mac(key, fields_of({1, 4}), field_key("hash", "a"))));
  EXPECT_NE(a.high(), b.high());
  EXPECT_NE(a.high(), other.high());
}

TEST(KeyMac, WhatIsNoFieldStillHasAHash) {
  const Namespace fields = fields_of({1, 3});
  EXPECT_FALSE(parse_field_key("abc"));
  EXPECT_FALSE(parse_field_key(std::string_view("\x05\0\0\0abcd", 8)));
  EXPECT_NE(key_mac(format::test_mac_key(), fields, "abc"), Mac{});
}

}  // namespace
}  // namespace kachel
