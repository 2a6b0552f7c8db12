#include "engine/tenants.h"

#include <gtest/gtest.h>

#include "engine/audit/files.h"
#include "io/faulty_storage.h"
#include "io/memory_storage.h"

namespace kachel {
namespace {

class TenantsTest : public ::testing::Test {
 protected:
  static MacKey key_of(std::uint8_t first) {
    MacKey key{};
    key[0] = std::byte{first};
    return key;
  }
  std::uint32_t number(std::string_view name) {
    const auto found = Tenants(device_, key_).number_of(name);
    EXPECT_TRUE(found) << found.error().message;
    return found ? *found : 0;
  }

  io::MemoryStorage storage_;
  io::FaultyStorage device_{storage_};
  MacKey key_ = key_of(1);
};

TEST_F(TenantsTest, DefaultIsZeroAndWritesNothing) {
  EXPECT_EQ(number("default"), 0u);
  EXPECT_FALSE(storage_.exists("tenants").value());
}

TEST_F(TenantsTest, ANumberStaysAndIsNobodyElses) {
  const std::uint32_t alice = number("alice");
  EXPECT_NE(alice, 0u);
  EXPECT_NE(alice, number("bob"));
  storage_.crash();
  EXPECT_EQ(alice, number("alice"));
  EXPECT_EQ(Tenants::load(device_).value().size(), 2u) << "durable before it was answered";
  EXPECT_NE(tenant_number(key_of(2), "alice"), alice) << "other stores have other numbers";
}

TEST_F(TenantsTest, IsTheSameAgainWhenTheFileIsLost) {
  const std::uint32_t alice = number("alice");
  ASSERT_TRUE(storage_.remove("tenants"));
  EXPECT_EQ(alice, number("alice"));
}

TEST_F(TenantsTest, TwoNamesNeverShareANumber) {
  number("alice");
  const std::uint32_t bob = tenant_number(key_, "bob");
  // As if another name had led to bob's number before.
  auto names = Tenants::load(device_).value();
  std::string text = audit::read_file(device_, "tenants", 1 << 20).value();
  const std::string before = std::to_string(names.begin()->first) + " alice";
  std::string forged = "kachel tenants 1\n" + std::to_string(bob) + " alice\n";
  ASSERT_NE(text.find(before), std::string::npos);
  forged += tenants_checksum(forged);
  ASSERT_TRUE(audit::replace_file(storage_, "tenants", forged));
  const auto refused = Tenants(device_, key_).number_of("bob");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(refused.error().message.find("alice"), std::string::npos);
}

TEST_F(TenantsTest, RefusesWhatIsNoName) {
  for (const std::string name : {"", "a b", "a/b", "\n", "ü"})
    EXPECT_EQ(Tenants(device_, key_).number_of(name).error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(is_tenant_name(std::string(kMaxTenantNameBytes + 1, 'a')));
  EXPECT_TRUE(is_tenant_name(std::string(kMaxTenantNameBytes, 'a')));
}

TEST_F(TenantsTest, EveryChangedByteAndEveryCutIsFound) {
  number("alice");
  number("bob");
  const std::string whole = audit::read_file(device_, "tenants", 1 << 20).value();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    ASSERT_TRUE(audit::replace_file(storage_, "tenants", changed));
    EXPECT_EQ(Tenants::load(device_).error().code, ErrorCode::kCorrupt) << at;
    ASSERT_TRUE(audit::replace_file(storage_, "tenants", whole.substr(0, at)));
    EXPECT_EQ(Tenants::load(device_).error().code, ErrorCode::kCorrupt) << at;
  }
  EXPECT_NE(Tenants(device_, key_).number_of("carol").error().message.find("backup"),
            std::string::npos);
}

TEST_F(TenantsTest, AFailedWriteIsToldAndTriedAgain) {
  for (const io::FaultOp op :
       {io::FaultOp::kCreate, io::FaultOp::kWrite, io::FaultOp::kSync, io::FaultOp::kRename}) {
    Tenants tenants(device_, key_);
    device_.inject({.op = op, .error_number = ENOSPC});
    const std::string name = "user" + std::to_string(static_cast<int>(op));
    EXPECT_FALSE(tenants.number_of(name)) << name;
    EXPECT_TRUE(tenants.number_of(name)) << name;
  }
}

}  // namespace
}  // namespace kachel
