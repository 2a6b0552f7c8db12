// The engine's hot tier itself: HotShard, one of it.
#pragma once

#include "bench/policies/policy.h"
#include "engine/hot_tier.h"

namespace kachel::policies {

class EnginePolicy final : public Policy {
 public:
  explicit EnginePolicy(std::uint64_t capacity_bytes) : shard_(capacity_bytes) {}

  bool access(const Request& request) override;
  void insert(const Request& request) override;
  void erase(Key key) override;
  bool contains(Key key) const override;
  unsigned heat(Key key) const override;
  std::uint64_t bytes() const override { return shard_.bytes(); }

 private:
  HotShard shard_;
};

/// What a value of so many bytes takes there. Other policies count the same.
std::uint64_t hot_bytes_of(std::uint64_t value_bytes);

}  // namespace kachel::policies
