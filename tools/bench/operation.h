// What a load consists of.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace kachel::bench {

enum class OperationKind : std::uint8_t { kGet, kSet, kDel, kExpire, kPing };
inline constexpr std::size_t kOperationKinds = 5;
inline constexpr std::array<std::string_view, kOperationKinds> kOperationNames = {
    "get", "set", "del", "expire", "ping"};

/// Keys are numbers until they are written into a request.
struct Operation {
  OperationKind kind = OperationKind::kGet;
  std::uint64_t key = 0;
};

/// Between `low` and `high`, both included.
struct Range {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  bool operator==(const Range&) const = default;
};

}  // namespace kachel::bench
