#include "server/policy.h"

#include <chrono>
#include <gtest/gtest.h>

#include "server/config.h"

namespace kachel::server {
namespace {

using namespace std::chrono_literals;

PolicySet parse(std::string_view text) {
  Config config;
  apply_config_text(config, text, "kachel.toml");
  return config.policy;
}

std::string error_of(std::string_view text) {
  try {
    parse(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(Policy, AFileWithoutTenantsBoundsNothing) {
  const PolicySet set = parse("data = \"d\"\n");
  EXPECT_TRUE(set.tenants().empty());
  EXPECT_EQ(set.default_tenant(), TenantPolicy());
  EXPECT_EQ(set.default_tenant().erase_within, 24h);
  EXPECT_EQ(put_expiry(set.default_tenant(), 0, 1000).at_ms, 0);
  EXPECT_EQ(put_expiry(set.default_tenant(), 5000, 1000).at_ms, 5000);
  EXPECT_EQ(put_erase_by(set.default_tenant(), 0, 1000).at_ms, 0);
}

TEST(Policy, HasEveryKeyOfTheFile) {
  const PolicySet set = parse(
      "memory = \"64MiB\"\n"
      "[tenant.default]\n"
      "ttl_default = \"90s\"\n"
      "ttl_max = \"24h\"\n"
      "erase_within = \"12h\"\n"
      "erase_by_max = \"30d\"\n"
      "capacity = \"256MiB\"\n"
      "require_subject = true\n"
      "[tenant.\"team-b.eu\"]\n"
      "capacity = 1024\n");
  const TenantPolicy& policy = set.default_tenant();
  EXPECT_EQ(policy.ttl_default, 90s);
  EXPECT_EQ(policy.ttl_max, 24h);
  EXPECT_EQ(policy.erase_within, 12h);
  EXPECT_EQ(policy.erase_by_max, 720h);
  EXPECT_EQ(policy.capacity_bytes, 256u << 20);
  EXPECT_TRUE(policy.require_subject);
  ASSERT_EQ(set.tenants().size(), 2u);
  EXPECT_EQ(set.tenants().at("team-b.eu").capacity_bytes, 1024u);
  EXPECT_EQ(set.tenants().at("team-b.eu").ttl_max, std::nullopt);
}

TEST(Policy, EachKeyIsReadFromWhatItsExampleSays) {
  for (const PolicyKey& key : policy_keys()) {
    const std::string value = key.example.empty() ? "true" : "\"" + std::string(key.example) + "\"";
    const std::string text = "[tenant.default]\n" + std::string(key.name) + " = " + value;
    EXPECT_EQ(error_of(text), "") << text;
    EXPECT_EQ(key.show(parse(text).default_tenant()), key.example.empty() ? "true" : key.example);
  }
}

struct Refusal {
  std::string text;  // below "[tenant.default]\n", unless it is a whole file
  std::string error;
};

TEST(Policy, NamesLineKeyAndRemedyOfAWrongValue) {
  const std::vector<Refusal> refusals{
      {"ttl_max = \"soon\"",
       "\"soon\" does not start with a number; write a whole number and a unit, such as 50ms, "
       "90s, 5m, 24h or 30d"},
      {"ttl_max = \"5 weeks\"",
       "\"5 weeks\" has an unknown unit; write a whole number and a unit, such as 50ms, 90s, 5m, "
       "24h or 30d"},
      {"ttl_max = 90",
       "\"90\" has no unit; write a whole number and a unit, such as 50ms, 90s, 5m, 24h or 30d"},
      {"ttl_max = true", "write a string, for instance ttl_max = \"30d\""},
      {"ttl_max = [\"1h\"]", "write a string, for instance ttl_max = \"30d\""},
      {"ttl_max = \"0s\"",
       "must be above 0; write a time such as \"90s\", \"24h\" or \"30d\", or remove the key"},
      {"ttl_max = \"-5s\"",
       "\"-5s\" is negative; write a time above 0, such as \"90s\", \"24h\" or \"30d\""},
      {"ttl_max = \"36501d\"",
       "\"36501d\" is too long; write at most \"36500d\", or remove the key"},
  };
  for (const auto& [text, error] : refusals) {
    EXPECT_EQ(error_of("[tenant.default]\n" + text),
              "kachel.toml:2: [tenant.default] ttl_max: " + error);
  }
  for (const auto* key : {"ttl_default", "erase_within", "erase_by_max"}) {
    EXPECT_EQ(error_of("[tenant.default]\n\n" + std::string(key) + " = \"0\""),
              "kachel.toml:3: [tenant.default] " + std::string(key) +
                  ": must be above 0; write a time such as \"90s\", \"24h\" or \"30d\", or remove "
                  "the key");
  }
  EXPECT_EQ(error_of("[tenant.default]\ncapacity = \"some\""),
            "kachel.toml:2: [tenant.default] capacity: \"some\" does not start with a number; "
            "write a whole number and a unit, such as 64KiB, 256MiB or 10GiB");
  EXPECT_EQ(error_of("[tenant.default]\ncapacity = 0"),
            "kachel.toml:2: [tenant.default] capacity: write a size above 0 and up to 1 PiB, or "
            "remove the key");
  EXPECT_EQ(error_of("[tenant.default]\nrequire_subject = \"yes\""),
            "kachel.toml:2: [tenant.default] require_subject: write true or false, without quotes");
}

TEST(Policy, RefusesContradictions) {
  EXPECT_EQ(error_of("[tenant.default]\nttl_max = \"24h\"\nttl_default = \"30d\"\n"),
            "kachel.toml:3: [tenant.default] ttl_default: 30d is longer than ttl_max, 24h; lower "
            "ttl_default or raise ttl_max");
  EXPECT_EQ(error_of("[tenant.default]\nttl_max = \"24h\"\nerase_by_max = \"90m\"\n"),
            "kachel.toml:3: [tenant.default] erase_by_max: 90m is shorter than ttl_max, 24h: "
            "entries would have to be gone before they expire; raise erase_by_max or lower "
            "ttl_max");
  EXPECT_EQ(error_of("[tenant.a]\nttl_default = \"2h\"\nerase_by_max = \"1500ms\"\n"),
            "kachel.toml:3: [tenant.a] erase_by_max: 1500ms is shorter than ttl_default, 2h: "
            "entries would have to be gone before they expire; raise erase_by_max or lower "
            "ttl_default");
  EXPECT_EQ(error_of("[tenant.default]\nttl_default = \"1h\"\nttl_max = \"1h\"\n"
                     "erase_by_max = \"1h\"\n"),
            "");
}

TEST(Policy, SuggestsTheKeyThatWasMeant) {
  EXPECT_EQ(error_of("[tenant.default]\nttl-max = \"1h\""),
            "kachel.toml:2: unknown key \"ttl-max\" in [tenant.default]; did you mean ttl_max?");
  EXPECT_EQ(error_of("[tenant.default]\nerase_witin = \"1h\""),
            "kachel.toml:2: unknown key \"erase_witin\" in [tenant.default]; did you mean "
            "erase_within?");
  EXPECT_EQ(error_of("[tenant.default]\nretention = \"1h\""),
            "kachel.toml:2: unknown key \"retention\" in [tenant.default]; remove it, or use one "
            "of: ttl_default, ttl_max, erase_within, erase_by_max, capacity, requests_per_second, "
            "require_subject");
  EXPECT_EQ(error_of("[tenant.default]\nmemory = \"1GiB\""),
            "kachel.toml:2: \"memory\" in [tenant.default] is a setting of the server; put it "
            "above the first [tenant.NAME]");
  EXPECT_EQ(error_of("ttl_max = \"1h\""),
            "kachel.toml:1: \"ttl_max\" belongs to a tenant; put it below [tenant.default]");
}

TEST(Policy, RefusesWhatIsNoTenant) {
  EXPECT_EQ(error_of("tenant = 5"),
            "kachel.toml:1: tenant: write a table for each, for instance [tenant.default]");
  EXPECT_EQ(error_of("[[tenant]]\n"),
            "kachel.toml:1: tenant: write a table for each, for instance [tenant.default]");
  EXPECT_EQ(error_of("[tenant]\nttl_max = \"1h\""),
            "kachel.toml:2: \"ttl_max\" belongs to one tenant; put it below [tenant.default]");
  EXPECT_EQ(error_of("[[tenant.default]]\n"),
            "kachel.toml:1: \"default\" is neither a tenant nor a tenant's key; write for instance "
            "[tenant.default]");
  EXPECT_EQ(error_of("[tenant.\"a b\"]\n"),
            "kachel.toml:1: tenant: a tenant's name has 1 to 64 letters, digits, '_', '-' and "
            "'.'; write for instance [tenant.default]");
  EXPECT_NE(error_of("[tenant." + std::string(65, 'a') + "]\n"), "");
  EXPECT_EQ(error_of("[tenant.\"\"]\n").substr(0, 31), "kachel.toml:1: tenant: a tenant");
  std::string many = "data = \"d\"\n";
  for (std::size_t i = 0; i <= kMaxTenants; ++i)
    many += "[tenant.t" + std::to_string(i) + "]\n";
  EXPECT_NE(error_of(many).find("1025 tenants; name at most 1024"), std::string::npos);
}

TEST(Policy, BoundsExpiries) {
  TenantPolicy policy;
  policy.ttl_max = 100ms;
  EXPECT_EQ(limit_expiry(policy, 1050, 1000).at_ms, 1050);
  EXPECT_EQ(limit_expiry(policy, 1100, 1000).at_ms, 1100);
  EXPECT_FALSE(limit_expiry(policy, 1100, 1000).clamped);
  EXPECT_EQ(limit_expiry(policy, 1101, 1000).at_ms, 1100);
  EXPECT_TRUE(limit_expiry(policy, 1101, 1000).clamped);
  EXPECT_EQ(limit_expiry(policy, 0, 1000).at_ms, 1100);
  EXPECT_EQ(limit_expiry(policy, 1, 1000).at_ms, 1);  // has passed already
  EXPECT_TRUE(put_expiry(policy, 0, 1000).clamped);
  policy.ttl_default = 30ms;
  EXPECT_EQ(put_expiry(policy, 0, 1000).at_ms, 1030);
  EXPECT_FALSE(put_expiry(policy, 0, 1000).clamped);
  EXPECT_EQ(put_expiry(policy, 5000, 1000).at_ms, 1100);
}

TEST(Policy, BoundsEraseBy) {
  TenantPolicy policy;
  policy.erase_by_max = 100ms;
  EXPECT_EQ(put_erase_by(policy, 0, 1000).at_ms, 1100);
  EXPECT_FALSE(put_erase_by(policy, 0, 1000).clamped);
  EXPECT_EQ(put_erase_by(policy, 1050, 1000).at_ms, 1050);
  EXPECT_EQ(put_erase_by(policy, 2000, 1000).at_ms, 1100);
  EXPECT_TRUE(put_erase_by(policy, 2000, 1000).clamped);
}

TEST(Policy, TellsWhatChanged) {
  const PolicySet before = parse(
      "[tenant.default]\nttl_max = \"24h\"\n[tenant.a]\ncapacity = \"1GiB\"\n[tenant.gone]\n");
  const PolicySet after = parse(
      "[tenant.default]\nttl_max = \"12h\"\nrequire_subject = true\n"
      "[tenant.a]\ncapacity = 1500\n[tenant.new]\nttl_max = \"48h\"\n");
  EXPECT_EQ(describe_changes(before, after),
            (std::vector<std::string>{
                "tenant default: ttl_max 24h -> 12h",
                "tenant default: require_subject false -> true",
                "tenant a: capacity 1GiB -> 1500B",
                "tenant new: added, ttl_max 2d, erase_within 24h, require_subject false",
                "tenant gone: removed",
            }));
  EXPECT_TRUE(describe_changes(before, before).empty());
  EXPECT_EQ(describe_changes(before, PolicySet()).at(0), "tenant default: ttl_max 24h -> none");
}

}  // namespace
}  // namespace kachel::server
