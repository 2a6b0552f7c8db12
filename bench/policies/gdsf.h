// GreedyDual-Size-Frequency (Cherkasova, HP Labs '98): the lowest of (clock + accesses x cost /
// bytes) goes, and the clock rises to it.
#pragma once

#include <set>
#include <unordered_map>

#include "bench/policies/policy.h"

namespace kachel::policies {

struct GdsfOptions {
  /// After each this many accesses per entry held, accesses count half. 0: never; what was much
  /// used once then stays until the clock has caught up.
  unsigned halves_after = 0;
};

class Gdsf final : public Policy {
 public:
  explicit Gdsf(std::uint64_t capacity_bytes, GdsfOptions options = {})
      : capacity_bytes_(capacity_bytes), options_(options) {}

  bool access(const Request& request) override;
  void insert(const Request& request) override;
  void erase(Key key) override;
  bool contains(Key key) const override { return items_.contains(key); }
  unsigned heat(Key key) const override;
  std::uint64_t bytes() const override { return bytes_; }

 private:
  struct Item {
    std::uint64_t bytes = 0;
    double cost_per_byte = 0;
    double accesses = 1;
    double priority = 0;
    std::uint64_t epoch = 0;  // in which `accesses` was brought up to date
  };

  void age(Item& item) const;
  void place(Key key, Item& item);

  std::uint64_t capacity_bytes_;
  GdsfOptions options_;
  std::unordered_map<Key, Item> items_;
  std::set<std::pair<double, Key>> order_;
  std::uint64_t bytes_ = 0;
  double clock_ = 0;
  std::uint64_t accesses_in_epoch_ = 0;
  std::uint64_t epoch_ = 0;
};

}  // namespace kachel::policies
