#include "server/price_table.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "engine/entry.h"

namespace kachel::server {
namespace {

constexpr std::array<PriceKey, 2> kPriceKeys{{
    {"usd_per_million_input_tokens", &ModelPrice::usd_per_million_input_tokens},
    {"usd_per_million_output_tokens", &ModelPrice::usd_per_million_output_tokens},
}};

/// Whether `text` has the form of `pattern`, in which '0' is any digit.
bool has_form(std::string_view text, std::string_view pattern) {
  return std::equal(text.begin(), text.end(), pattern.begin(), pattern.end(),
                    [](char c, char p) { return p == '0' ? c >= '0' && c <= '9' : c == p; });
}

std::string_view without_date(std::string_view model) {
  for (const std::string_view form : {"-0000-00-00", "-00000000", "@00000000"}) {
    if (model.size() <= form.size()) continue;
    if (has_form(model.substr(model.size() - form.size()), form)) {
      return model.substr(0, model.size() - form.size());
    }
  }
  return model;
}

std::string show(const ModelPrice& price) {
  return fmt::format("{} in, {} out", price.usd_per_million_input_tokens,
                     price.usd_per_million_output_tokens);
}

}  // namespace

std::span<const PriceKey> price_keys() {
  return kPriceKeys;
}

Result<void> check_price(double usd) {
  if (usd >= 0 && usd <= kMaxUsdPerMillionTokens) return {};
  return invalid(fmt::format("{} is no price; write US dollars for a million tokens, from 0 to {}",
                             usd, kMaxUsdPerMillionTokens));
}

Result<void> check_model_name(std::string_view name) {
  const bool fits = !name.empty() && name.size() <= kMaxModelBytes;
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) >= ' ' && c != '\x7f';
  });
  if (fits && plain) return {};
  return invalid(
      fmt::format("a model's name has 1 to {} bytes and no control characters; write it as the "
                  "clients do, in quotes where it has a dot, for instance [model.\"tile-7b.1\"]",
                  kMaxModelBytes));
}

const ModelPrice* PriceTable::find(std::string_view model) const {
  auto found = models_.find(model);
  if (found == models_.end()) found = models_.find(without_date(model));
  return found == models_.end() ? nullptr : &found->second;
}

std::vector<std::string> describe_price_changes(const PriceTable& before, const PriceTable& after) {
  std::vector<std::string> lines;
  for (const auto& [name, price] : after.models()) {
    const auto old = before.models().find(name);
    if (old == before.models().end()) {
      lines.push_back(fmt::format("model {}: added, {}", name, show(price)));
    } else if (old->second != price) {
      lines.push_back(fmt::format("model {}: {} -> {}", name, show(old->second), show(price)));
    }
  }
  for (const auto& [name, price] : before.models()) {
    if (!after.models().contains(name)) lines.push_back(fmt::format("model {}: removed", name));
  }
  return lines;
}

}  // namespace kachel::server
