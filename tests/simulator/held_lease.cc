#include "tests/simulator/held_lease.h"

namespace kachel::sim {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

bool erases(const Op& op, std::size_t key, ValueId value) {
  switch (op.kind) {
    case OpKind::kErase:
      return op.key == key;
    case OpKind::kEraseAll:
      return true;
    case OpKind::kEraseSubject:
      return op.subject == Oracle::subject_of(value);
    default:
      return false;
  }
}

}  // namespace

Refusal judge_fill(const HeldLease& lease, const Oracle& oracle, std::size_t key, ValueId value,
                   std::uint64_t life, std::int64_t now_ns) {
  Refusal refusal;
  if (lease.life != life) refusal.must = "the process has been restarted since";
  if (lease.used) refusal.must = "it was used before";
  if (lease.key != key) refusal.must = "it is another key's";
  if (now_ns >= lease.given_ns + lease.ms * kNsPerMs) refusal.must = "its time is over";
  if (now_ns >= lease.asked_ns + lease.ms * kNsPerMs) refusal.may = "its time may be over";
  if (!refusal.must.empty()) return refusal;
  for (std::size_t i = lease.asked_after; i < oracle.issued(); ++i) {
    const Op& op = oracle.op(i);
    const bool put = op.kind == OpKind::kPut && op.key == key;
    if (put) refusal.may = "the key has been put since";
    if (!erases(op, key, value)) continue;
    const std::string what = "operation " + std::to_string(i + 1) + " erased it";
    // One that failed may have been refused.
    const bool later = i >= lease.given_after && op.state != OpState::kFailed;
    (later ? refusal.must : refusal.may) = what;
  }
  return refusal;
}

}  // namespace kachel::sim
