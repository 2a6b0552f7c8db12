#include "tools/bench/operation_source.h"

#include <algorithm>

#include "tools/bench/key_text.h"

namespace kachel::bench {
namespace {

constexpr std::uint64_t kUnbounded = UINT64_MAX;

std::uint64_t count_of(const Plan& plan, const PhasePlan& phase, std::uint64_t part) {
  if (phase.operations == 0) return kUnbounded;
  const std::uint64_t rest = phase.operations % plan.threads;
  return phase.operations / plan.threads + (part < rest ? 1 : 0);
}

Mix mix_of(const Plan& plan, PhaseKind kind) {
  if (kind == PhaseKind::kLoad) return Mix(OperationKind::kSet);
  if (kind == PhaseKind::kCold) return Mix(OperationKind::kGet);
  return plan.mix;
}

}  // namespace

OperationSource::OperationSource(const Plan& plan, const PhasePlan& phase, std::uint64_t part)
    : plan_(plan),
      kind_(phase.kind),
      part_(part),
      count_(count_of(plan, phase, part)),
      mix_(mix_of(plan, phase.kind)),
      random_(plan.seed ^ mix64(part + (static_cast<std::uint64_t>(phase.kind) << 32U))) {
  if (kind_ == PhaseKind::kLoad) {
    keys_.emplace(KeyDistribution{KeyOrder::kSequential, 0}, plan.keys, part, plan.threads);
  } else if (!plan.trace) {
    keys_.emplace(plan.key_distribution, plan.keys, part, plan.threads);
  }
}

std::uint64_t OperationSource::next_key() {
  const std::uint64_t place = taken_ * plan_.threads + part_;
  ++taken_;
  if (kind_ == PhaseKind::kCold) return kFirstColdKey + place;
  if (keys_) return keys_->next(random_);
  return plan_.trace->requests[place % plan_.trace->requests.size()].key;
}

Operation OperationSource::next() {
  return {mix_.pick(random_), next_key()};
}

std::int64_t OperationSource::trace_at_ns() const {
  const auto& requests = plan_.trace->requests;
  const std::uint64_t place = taken_ * plan_.threads + part_;
  const auto round = static_cast<std::int64_t>(place / requests.size());
  return round * requests.back().at_ns + requests[place % requests.size()].at_ns;
}

std::uint64_t OperationSource::draw_set_ttl_ms() {
  if (plan_.ttl_ms.high == 0) return 0;
  if (plan_.ttl_share < 100 && random_.below(100) >= plan_.ttl_share) return 0;
  return draw_ttl_ms();
}

std::uint64_t OperationSource::draw_ttl_ms() {
  return plan_.ttl_ms.low + random_.below(plan_.ttl_ms.high - plan_.ttl_ms.low + 1);
}

}  // namespace kachel::bench
