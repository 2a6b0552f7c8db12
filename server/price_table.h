// What a model's tokens cost: [model.NAME] of the configuration file. Values only; where they come
// from is config_file.cc's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/error.h"

namespace kachel::server {

inline constexpr std::size_t kMaxPricedModels = 1024;
inline constexpr double kMaxUsdPerMillionTokens = 1e6;

/// US dollars for a million tokens.
struct ModelPrice {
  double usd_per_million_input_tokens = 0;
  double usd_per_million_output_tokens = 0;

  friend bool operator==(const ModelPrice&, const ModelPrice&) = default;
  /// Millionths of a US dollar.
  double micro_usd(std::uint64_t tokens_in, std::uint64_t tokens_out) const {
    return static_cast<double>(tokens_in) * usd_per_million_input_tokens +
           static_cast<double>(tokens_out) * usd_per_million_output_tokens;
  }
};

/// One key of [model.NAME].
struct PriceKey {
  std::string_view name;
  double ModelPrice::*value;
};
std::span<const PriceKey> price_keys();

/// Neither negative nor beyond kMaxUsdPerMillionTokens; the error's message names the remedy.
Result<void> check_price(double usd);
/// 1 to kMaxModelBytes bytes without control characters.
Result<void> check_model_name(std::string_view name);

/// Immutable once shared.
class PriceTable {
 public:
  using Models = std::map<std::string, ModelPrice, std::less<>>;

  void set(std::string model, const ModelPrice& price) {
    models_.insert_or_assign(std::move(model), price);
  }
  /// Of the model of this name; or of this name without the date at its end, as
  /// "gpt-4o-mini-2024-07-18" is a gpt-4o-mini. nullptr when there is none.
  const ModelPrice* find(std::string_view model) const;
  const Models& models() const { return models_; }

 private:
  Models models_;
};

/// A line for each change: "model tile-7b: 0.15 in, 0.6 out -> 0.1 in, 0.4 out".
std::vector<std::string> describe_price_changes(const PriceTable& before, const PriceTable& after);

}  // namespace kachel::server
