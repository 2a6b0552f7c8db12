// The leaves of the audit log, and receipts made of them.
#include <gtest/gtest.h>

#include "engine/audit/event.h"
#include "engine/audit/receipt.h"

namespace kachel::audit {
namespace {

EraseEvent an_erase() {
  EraseEvent event;
  event.id = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";
  event.time_ms = 1'764'000'000'123;
  event.tenant = 7;
  event.scope = kKeysScope;
  event.database = 3;
  event.targets = {"00112233445566778899aabbccddeeff"};
  event.sequence = 1ULL << 60;
  event.entries = 1;
  event.reason = "ticket \"17\" \\ größer";
  return event;
}

TEST(AuditEvent, AnEraseIsReadAsItWasWritten) {
  const EraseEvent event = an_erase();
  const std::string leaf = leaf_of(event);
  const auto parsed = parse_leaf(leaf);
  ASSERT_TRUE(parsed) << parsed.error().message;
  const auto& read = std::get<EraseEvent>(*parsed);
  EXPECT_EQ(leaf_of(read), leaf);
  EXPECT_EQ(read.sequence, event.sequence);
  EXPECT_EQ(read.reason, event.reason);
  EXPECT_EQ(read.targets, event.targets);
  EXPECT_FALSE(read.recovered);
}

TEST(AuditEvent, AReclaimIsReadAsItWasWritten) {
  const ReclaimEvent event{"id", 5, 1, 2, 9, 10, 11, 12, 13, 14, {1, 2, 3, 7, 9, 10}};
  const std::string leaf = leaf_of(event);
  EXPECT_NE(leaf.find("\"1-3,7,9-10\""), std::string::npos) << leaf;
  const auto parsed = parse_leaf(leaf);
  ASSERT_TRUE(parsed) << parsed.error().message;
  const auto& read = std::get<ReclaimEvent>(*parsed);
  EXPECT_EQ(leaf_of(read), leaf);
  EXPECT_EQ(read.segments, event.segments);
  EXPECT_EQ(read.copy_bytes, 14u);
}

TEST(AuditEvent, APolicyIsReadAsItWasWritten) {
  const PolicyEvent event{7, {{"default", "ttl_max 24h"}, {"x", ""}}};
  const auto parsed = parse_leaf(leaf_of(event));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(std::get<PolicyEvent>(*parsed).tenants, event.tenants);
  EXPECT_FALSE(parse_leaf(R"({"type":"policy","version":1,"time_ms":1,"tenants":{"a":1}})"));
}

TEST(AuditEvent, AHoldAndItsReleaseAreReadAsTheyWereWritten) {
  const HoldEvent hold{"id", 7, 3, "subject", "00ff", 17, "case 7", true};
  const auto parsed = parse_leaf(leaf_of(hold));
  ASSERT_TRUE(parsed) << parsed.error().message;
  const auto& read = std::get<HoldEvent>(*parsed);
  EXPECT_EQ(leaf_of(read), leaf_of(hold));
  EXPECT_EQ(read.target, "00ff");
  EXPECT_EQ(read.sequence, 17u);
  EXPECT_TRUE(read.recovered);
  const ReleaseEvent release{"id", 8, 3, "closed"};
  const auto again = parse_leaf(leaf_of(release));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(leaf_of(std::get<ReleaseEvent>(*again)), leaf_of(release));
  EXPECT_FALSE(parse_leaf(R"({"type":"hold","version":1,"time_ms":1,"id":"x","tenant":0})"));
  EXPECT_FALSE(parse_leaf(R"({"type":"release","version":1,"time_ms":1,"id":"x"})"));
}

TEST(AuditEvent, ALeafWithMoreSegmentsThanFitSaysHowMany) {
  ReclaimEvent event{"id", 5, 1, 2, 9, 10, 11, 12, 13, 14, {}};
  for (std::uint64_t i = 0; i < 50'000; ++i)
    event.segments.push_back(1'000'000 + 2 * i);
  const std::string leaf = leaf_of(event);
  EXPECT_LT(leaf.size(), 65'536u);
  EXPECT_NE(leaf.find("\"segment_count\":50000"), std::string::npos);
  EXPECT_TRUE(parse_leaf(leaf));
}

TEST(AuditEvent, WhatIsNoEventIsRefused) {
  for (const char* leaf :
       {"", "{", "[]", "17", "{}", R"({"type":"erase"})", R"({"type":"erase","version":1})",
        R"({"type":"reclaimed","version":1,"id":"x"})", R"({"type":17,"version":1})"}) {
    const auto parsed = parse_leaf(leaf);
    ASSERT_FALSE(parsed) << leaf;
    EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt);
  }
  const auto other = parse_leaf(R"({"type":"lease","version":1})");
  ASSERT_TRUE(other);
  EXPECT_EQ(std::get<OtherEvent>(*other).type, "lease");
}

TEST(AuditEvent, RangesAreStrict) {
  EXPECT_EQ(ranges_text({}), "");
  EXPECT_EQ(ranges_text({4}), "4");
  EXPECT_EQ(parse_ranges("1-3,5").value(), (std::vector<std::uint64_t>{1, 2, 3, 5}));
  for (const char* text :
       {"1-", "-1", "3-1", "1,1", "5,3", "1-3,3", "x", "1,,2", "01", "1-99999999999"}) {
    EXPECT_FALSE(parse_ranges(text)) << text;
  }
}

TEST(AuditEvent, AReceiptThatIsNoneIsRefused) {
  for (const char* text :
       {"", "{}", "[1]", R"({"receipt":"1"})", R"({"receipt":1})",
        R"({"receipt":1,"id":"a","state":"b","log":"c","key":"d"})",
        R"({"receipt":1,"id":"a","state":"b","log":"c","key":"d","events":[1]})"}) {
    EXPECT_EQ(parse_receipt(text).error().code, ErrorCode::kInvalidArgument) << text;
  }
  EXPECT_EQ(parse_receipt(R"({"receipt":2})").error().code, ErrorCode::kVersion);
}

}  // namespace
}  // namespace kachel::audit
