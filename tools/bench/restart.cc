#include "tools/bench/restart.h"

#include <ctime>
#include <fmt/format.h>
#include <poll.h>

#include "io/units.h"
#include "tools/bench/interrupt.h"
#include "tools/bench/worker.h"

namespace kachel::bench {
namespace {

constexpr int kPollMs = 100;
constexpr timespec kBetweenTries{0, 1'000'000};

Error interrupted() {
  return {ErrorCode::kShutdown, "interrupted while waiting for the restart"};
}

Error no_longer(const Plan& plan, const char* what) {
  return {ErrorCode::kIo, fmt::format("{} {} within {} (--restart-wait)", plan.server.endpoint,
                                      what, format_duration_ms(plan.restart_wait_ns / 1'000'000))};
}

bool is_worth_another_try(const Error& error) {
  return error.code != ErrorCode::kPermission && error.code != ErrorCode::kInvalidArgument;
}

}  // namespace

Result<void> wait_until_gone(const Plan& plan, Connection& held) {
  const std::int64_t limit_ns = monotonic_ns() + plan.restart_wait_ns;
  while (monotonic_ns() < limit_ns) {
    if (is_interrupted()) return interrupted();
    pollfd watched{held.descriptor(), POLLIN, 0};
    if (::poll(&watched, 1, kPollMs) <= 0) continue;
    if (!held.receive()) return {};
  }
  return no_longer(plan, "was not stopped");
}

Result<void> wait_until_back(const Plan& plan) {
  const std::int64_t limit_ns = monotonic_ns() + plan.restart_wait_ns;
  while (true) {
    const auto connection = Connection::open(plan.server, *plan.protocol, 1);
    if (connection) return {};
    if (!is_worth_another_try(connection.error())) return connection.error();
    if (is_interrupted()) return interrupted();
    if (monotonic_ns() > limit_ns) return no_longer(plan, "did not come back");
    ::clock_nanosleep(CLOCK_MONOTONIC, 0, &kBetweenTries, nullptr);
  }
}

}  // namespace kachel::bench
