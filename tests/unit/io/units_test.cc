#include "io/units.h"

#include <gtest/gtest.h>

namespace kachel {

TEST(ParseSize, UnitsFollowRedis) {
  EXPECT_EQ(parse_size("0").value(), 0U);
  EXPECT_EQ(parse_size("1234").value(), 1234U);
  EXPECT_EQ(parse_size("7B").value(), 7U);
  EXPECT_EQ(parse_size("64k").value(), 64'000U);
  EXPECT_EQ(parse_size("64kb").value(), 65'536U);
  EXPECT_EQ(parse_size("64KiB").value(), 65'536U);
  EXPECT_EQ(parse_size("256 MiB").value(), 256U << 20);
  EXPECT_EQ(parse_size("1m").value(), 1'000'000U);
  EXPECT_EQ(parse_size("10GiB").value(), 10ULL << 30);
  EXPECT_EQ(parse_size("2G").value(), 2'000'000'000U);
  EXPECT_EQ(parse_size("3tb").value(), 3ULL << 40);
}

TEST(ParseSize, OverflowIsRefused) {
  EXPECT_EQ(parse_size("18446744073709551615").value(), UINT64_MAX);
  EXPECT_EQ(parse_size("18446744073709551616").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(parse_size("16777216TiB").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(parse_size("16777215TiB").value(), 16777215ULL << 40);
}

TEST(ParseSize, MessageSaysWhatIsWrongAndWhatToWrite) {
  for (const char* text : {"", "MiB", "-1", "1.5GiB", "10 potatoes", "1MiB ", " 1"}) {
    const auto size = parse_size(text);
    ASSERT_FALSE(size) << text;
    EXPECT_NE(size.error().message.find(text), std::string::npos);
    EXPECT_NE(size.error().message.find("such as 64KiB"), std::string::npos);
  }
}

TEST(ParseDuration, EveryUnit) {
  EXPECT_EQ(parse_duration_ms("50ms").value(), 50);
  EXPECT_EQ(parse_duration_ms("90s").value(), 90'000);
  EXPECT_EQ(parse_duration_ms("5m").value(), 300'000);
  EXPECT_EQ(parse_duration_ms("24h").value(), 86'400'000);
  EXPECT_EQ(parse_duration_ms("30d").value(), 2'592'000'000);
  EXPECT_EQ(parse_duration_ms("0").value(), 0);
}

TEST(ParseDuration, NeedsAUnitAndFits) {
  EXPECT_NE(parse_duration_ms("90").error().message.find("has no unit"), std::string::npos);
  EXPECT_NE(parse_duration_ms("2w").error().message.find("unknown unit"), std::string::npos);
  EXPECT_NE(parse_duration_ms("106751991168d").error().message.find("too large"),
            std::string::npos);
  EXPECT_EQ(parse_duration_ms("106751991167d").value(), 106751991167 * 86'400'000);
}

TEST(Format, SizesAndDurationsAreShort) {
  EXPECT_EQ(format_size(0), "0 B");
  EXPECT_EQ(format_size(1023), "1023 B");
  EXPECT_EQ(format_size(12'897'485), "12.3 MiB");
  EXPECT_EQ(format_size(10ULL << 30), "10 GiB");
  EXPECT_EQ(format_size(UINT64_MAX), "16 EiB");
  EXPECT_EQ(format_duration_ms(250), "250 ms");
  EXPECT_EQ(format_duration_ms(1500), "1.5 s");
  EXPECT_EQ(format_duration_ms(86'400'000), "24 h");
  EXPECT_EQ(format_duration_ms(2'592'000'000), "30 d");
  EXPECT_EQ(format_duration_ms(-1500), "-1.5 s");
}

}  // namespace kachel
