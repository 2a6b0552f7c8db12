// Which operations, in which shares.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "io/error.h"
#include "tools/bench/operation.h"
#include "tools/bench/random.h"

namespace kachel::bench {

class Mix {
 public:
  /// Of one kind only.
  explicit Mix(OperationKind only);
  /// "get=90,set=9,del=1": names and whole weights, whatever they add up to.
  static Result<Mix> parse(std::string_view text);

  OperationKind pick(Random& random) const {
    const std::uint64_t drawn = random.below(up_to_.back());
    std::size_t kind = 0;
    while (drawn >= up_to_[kind])
      ++kind;
    return static_cast<OperationKind>(kind);
  }
  std::uint64_t weight(OperationKind kind) const;
  std::string text() const;

 private:
  explicit Mix(const std::array<std::uint64_t, kOperationKinds>& weights);
  std::array<std::uint64_t, kOperationKinds> up_to_{};  // sums of the weights so far
};

}  // namespace kachel::bench
