// Prices of models: found by name, read from the file, and what is said of a wrong one.
#include "server/price_table.h"

#include <gtest/gtest.h>

#include "server/config.h"

namespace kachel::server {
namespace {

PriceTable read_prices(std::string_view text) {
  Config config;
  apply_config_text(config, text, "k.toml");
  return config.policy.prices();
}

std::string price_error(std::string_view text) {
  try {
    read_prices(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "none";
}

TEST(PriceTableTest, FoundByNameAndWithoutItsDate) {
  const PriceTable prices = read_prices(
      "[model.\"gpt-4o\"]\nusd_per_million_input_tokens = 2.5\n"
      "usd_per_million_output_tokens = 10\n[model.tile-7b]\n");
  ASSERT_NE(prices.find("gpt-4o"), nullptr);
  EXPECT_DOUBLE_EQ(prices.find("gpt-4o")->micro_usd(1000, 10), 2600);
  EXPECT_EQ(prices.find("gpt-4o-2024-08-06"), prices.find("gpt-4o"));
  EXPECT_EQ(prices.find("gpt-4o-20240806"), prices.find("gpt-4o"));
  EXPECT_EQ(prices.find("gpt-4o-mini"), nullptr);
  EXPECT_EQ(prices.find("-2024-08-06"), nullptr);
  EXPECT_DOUBLE_EQ(prices.find("tile-7b")->micro_usd(1000, 10), 0);
}

TEST(PriceTableTest, WhatIsWrongIsSaidWithItsLine) {
  EXPECT_EQ(price_error("[model.a]\nusd_per_million_input_tokens = \"1\"\n"),
            "k.toml:2: [model.a] usd_per_million_input_tokens: write US dollars as a number "
            "without quotes, for instance usd_per_million_input_tokens = 0.15");
  EXPECT_EQ(price_error("[model.a]\n\nusd_per_million_output_tokens = -1\n"),
            "k.toml:3: [model.a] usd_per_million_output_tokens: -1 is no price; write US dollars "
            "for a million tokens, from 0 to 1000000");
  EXPECT_NE(price_error("[model.a]\nusd_per_million_output_tokens = nan\n"), "none");
  EXPECT_NE(price_error("[model.a]\nusd_per_million_output_tokens = true\n"), "none");
  EXPECT_EQ(price_error("[model.gpt-4.1]\nusd_per_million_input_tokens = 1\n"),
            "k.toml:1: [model.gpt-4] 1: no such key; a name with a dot stands in quotes, "
            "[model.\"tile-7b.1\"]; the keys are usd_per_million_input_tokens and "
            "usd_per_million_output_tokens");
  EXPECT_EQ(price_error("model = 1\n"),
            "k.toml:1: model: write a table for each, for instance [model.tile-7b]");
  EXPECT_EQ(price_error("[model]\na = 1\n"),
            "k.toml:2: \"a\" is neither a model nor a model's key; write for instance "
            "[model.tile-7b]");
  EXPECT_NE(price_error("[model.\"\"]\n"), "none");
}

TEST(PriceTableTest, ChangesAreTold) {
  const PriceTable before = read_prices("[model.a]\nusd_per_million_input_tokens = 1\n[model.b]\n");
  const PriceTable after = read_prices("[model.a]\nusd_per_million_input_tokens = 2\n[model.c]\n");
  EXPECT_EQ(describe_price_changes(before, after),
            (std::vector<std::string>{"model a: 1 in, 0 out -> 2 in, 0 out",
                                      "model c: added, 0 in, 0 out", "model b: removed"}));
}

}  // namespace
}  // namespace kachel::server
