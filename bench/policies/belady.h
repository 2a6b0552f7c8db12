// Who knows the future: what is used farthest ahead goes first. With entries of one size and one
// price no policy hits more often; otherwise it is good advice, and bound.h has the bound.
#pragma once

#include <set>
#include <unordered_map>
#include <vector>

#include "bench/policies/policy.h"

namespace kachel::policies {

class Belady final : public Policy {
 public:
  enum class Order : std::uint8_t {
    kFarthest,      // next use
    kDearestSpace,  // (requests until the next use) x bytes / cost
  };
  Belady(std::uint64_t capacity_bytes, const Workload& workload, Order order);

  /// In the workload's order, each of its requests once.
  bool access(const Request& request) override;
  void insert(const Request& request) override;
  void erase(Key key) override;
  bool contains(Key key) const override { return items_.contains(key); }
  unsigned heat(Key key) const override { return contains(key) ? 1 : 0; }
  std::uint64_t bytes() const override { return bytes_; }

 private:
  struct Item {
    std::uint64_t bytes = 0;
    double regret = 0;  // of keeping it: the highest goes
  };

  double regret_of(const Request& request) const;
  void place(const Request& request);

  std::uint64_t capacity_bytes_;
  Order order_;
  std::vector<std::uint64_t> next_use_;  // by request: the index of the key's next, or kNever
  std::size_t at_ = 0;                   // the request after the current one
  std::unordered_map<Key, Item> items_;
  std::set<std::pair<double, Key>> by_regret_;
  std::uint64_t bytes_ = 0;
};

inline constexpr std::uint64_t kNever = ~std::uint64_t{0};

/// By request: the index of the next one with its key, or kNever.
std::vector<std::uint64_t> next_uses(const std::vector<Request>& requests);

}  // namespace kachel::policies
