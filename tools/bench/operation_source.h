// One thread's operations, in order.
#pragma once

#include <cstdint>
#include <optional>

#include "tools/bench/plan.h"

namespace kachel::bench {

class OperationSource {
 public:
  OperationSource(const Plan& plan, const PhasePlan& phase, std::uint64_t part);

  Operation next();
  /// How many there are to be, UINT64_MAX if only time ends them.
  std::uint64_t count() const { return count_; }
  /// When the next one comes after the trace's begin, in the trace's time.
  std::int64_t trace_at_ns() const;

  /// Of the plan's range.
  std::uint64_t draw_ttl_ms();
  /// 0: this set is for good.
  std::uint64_t draw_set_ttl_ms();

 private:
  std::uint64_t next_key();

  const Plan& plan_;
  const PhaseKind kind_;
  const std::uint64_t part_;
  const std::uint64_t count_;
  const Mix mix_;
  std::optional<KeySource> keys_;
  Random random_;
  std::uint64_t taken_ = 0;
};

}  // namespace kachel::bench
