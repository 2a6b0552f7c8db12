// How many random histories a test goes through, and from which on.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace kachel {

/// KACHEL_SEEDS=n tries more or fewer, KACHEL_FIRST_SEED=n others.
inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace kachel
