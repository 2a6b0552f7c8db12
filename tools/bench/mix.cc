#include "tools/bench/mix.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>

#include "io/units.h"

namespace kachel::bench {
namespace {
constexpr std::uint64_t kMaxWeight = 1'000'000;
}  // namespace

Mix::Mix(const std::array<std::uint64_t, kOperationKinds>& weights) {
  std::uint64_t sum = 0;
  for (std::size_t kind = 0; kind < kOperationKinds; ++kind)
    up_to_[kind] = sum += weights[kind];
}

Mix::Mix(OperationKind only) {
  std::fill(up_to_.begin() + static_cast<std::ptrdiff_t>(only), up_to_.end(), 1);
}

Result<Mix> Mix::parse(std::string_view text) {
  std::array<std::uint64_t, kOperationKinds> weights{};
  const std::string whole(text);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = std::min(part.find('='), part.size());
    const auto* const name =
        std::find(kOperationNames.begin(), kOperationNames.end(), part.substr(0, equals));
    if (name == kOperationNames.end() || equals == part.size()) {
      return invalid(fmt::format(
          "\"{}\" in the mix \"{}\": write shares of get, set, del, expire and ping, as in "
          "get=90,set=9,del=1",
          part, whole));
    }
    const auto weight = parse_count(part.substr(equals + 1), 0, kMaxWeight);
    if (!weight) return invalid(fmt::format("the mix \"{}\": {}", whole, weight.error().message));
    weights[static_cast<std::size_t>(name - kOperationNames.begin())] += *weight;
  }
  const Mix mix(weights);
  if (mix.up_to_.back() == 0) return invalid("the mix has no operation in it: get=90,set=10");
  return mix;
}

std::uint64_t Mix::weight(OperationKind kind) const {
  const auto at = static_cast<std::size_t>(kind);
  return up_to_[at] - (at == 0 ? 0 : up_to_[at - 1]);
}

std::string Mix::text() const {
  std::string out;
  for (std::size_t kind = 0; kind < kOperationKinds; ++kind) {
    const std::uint64_t share = weight(static_cast<OperationKind>(kind));
    if (share == 0) continue;
    fmt::format_to(std::back_inserter(out), "{}{}={}", out.empty() ? "" : ",",
                   kOperationNames[kind], share);
  }
  return out;
}

}  // namespace kachel::bench
