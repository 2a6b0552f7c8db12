// How fast one thread copies memory that is in no cache: MiB/s, the median of some passes.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

namespace {
constexpr std::size_t kMiB = 1024 * 1024;
constexpr std::size_t kBytes = 256 * kMiB;  // beyond any cache
constexpr std::size_t kPasses = 7;

double mib_per_s(std::vector<char>& to, const std::vector<char>& from) {
  const auto began = std::chrono::steady_clock::now();
  std::memcpy(to.data(), from.data(), from.size());
  asm volatile("" : : "r"(to.data()) : "memory");  // or the copy might be left out
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  return static_cast<double>(from.size()) / static_cast<double>(kMiB) / took.count();
}
}  // namespace

int main() {
  const std::vector<char> from(kBytes, 'a');
  std::vector<char> to(kBytes, 'b');  // touched, so that no page is new to the first pass
  std::vector<double> rates;
  for (std::size_t i = 0; i < kPasses; ++i)
    rates.push_back(mib_per_s(to, from));
  std::nth_element(rates.begin(), rates.begin() + kPasses / 2, rates.end());
  std::printf("%.1f\n", rates[kPasses / 2]);
}
