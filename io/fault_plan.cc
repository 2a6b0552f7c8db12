#include "io/fault_plan.h"

#include "io/check.h"

namespace kachel::io {

namespace {

bool applies(FaultKind kind, FaultOp op) {
  switch (kind) {
    case FaultKind::kError:
      return true;
    case FaultKind::kShort:
      return op == FaultOp::kRead || op == FaultOp::kWrite || op == FaultOp::kSync;
    case FaultKind::kFlipBit:
      return op == FaultOp::kRead || op == FaultOp::kWrite;
    case FaultKind::kMisdirect:
      return op == FaultOp::kWrite;
    case FaultKind::kLost:
      return op == FaultOp::kWrite || op == FaultOp::kSync;
  }
  return false;
}

}  // namespace

Error injected_error(const Fault& fault, std::string_view path) {
  return os_error(fault.error_number, "injected fault on " + std::string(path));
}

void FaultPlan::inject(Fault fault) {
  KACHEL_CHECK(applies(fault.kind, fault.op), "this kind of fault does not fit the operation");
  const std::lock_guard lock(mutex_);
  faults_.push_back(Armed{std::move(fault)});
}

void FaultPlan::clear() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

std::uint64_t FaultPlan::injected() const {
  const std::lock_guard lock(mutex_);
  return injected_;
}

std::optional<Fault> FaultPlan::strike(const Operation& operation) {
  if (observer_) observer_(operation);
  const auto& [op, path, offset, parts] = operation;
  const std::lock_guard lock(mutex_);
  for (Armed& armed : faults_) {
    if (armed.fault.op != op) continue;
    if (path.find(armed.fault.path_contains) == std::string_view::npos) continue;
    if (!strikes(armed)) continue;
    ++injected_;
    return armed.fault;
  }
  return std::nullopt;
}

bool FaultPlan::strikes(Armed& armed) {
  if (armed.fault.times != 0 && armed.done >= armed.fault.times) return false;
  if (armed.seen++ < armed.fault.skip) return false;
  if (armed.fault.probability < 1.0) {
    // 53 bits make a double in [0, 1) exactly.
    const double drawn = static_cast<double>(random_.next() >> 11) * 0x1.0p-53;
    if (drawn >= armed.fault.probability) return false;
  }
  ++armed.done;
  return true;
}

Result<void> FaultPlan::check(FaultOp op, std::string_view path) {
  if (const auto fault = strike({op, path})) return injected_error(*fault, path);
  return {};
}

std::uint64_t FaultPlan::draw(std::uint64_t below) {
  const std::lock_guard lock(mutex_);
  return random_.next() % below;
}

}  // namespace kachel::io
