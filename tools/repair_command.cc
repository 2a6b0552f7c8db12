#include "tools/repair_command.h"

#include <chrono>
#include <fmt/format.h>

#include "engine/inspect/repair.h"
#include "engine/inspect/verify.h"
#include "io/posix_storage.h"
#include "io/units.h"
#include "tools/exit_codes.h"

namespace kachel::tools {
namespace {

int refuse_repair(const Error& error) {
  fmt::print(stderr, "kachel repair: {}\n", error.message);
  return exit_code_for(error);
}

Result<inspect::RepairPlan> make_plan(const RepairRequest& request) {
  inspect::Inspection inspection({});
  std::vector<inspect::Finding> findings;
  inspection.on_finding([&](const inspect::Finding& finding) { findings.push_back(finding); });
  const auto store = inspect::StoreView::open(request.data, inspection);
  if (!store) return store.error();
  inspect::VerifyOptions options;
  options.now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  const auto report = inspect::verify_store(**store, options, inspection);
  if (!report) return report.error();
  auto plan = inspect::plan_repair(**store, findings);
  if (plan && request.rebuild_index) plan->rebuild_index.emplace_back("--rebuild-index was given");
  return plan;
}

void print_plan(const inspect::RepairPlan& plan) {
  for (const inspect::SegmentLoss& loss : plan.segments) {
    fmt::print("set aside  segments/{:016x}.seg ({}): {}\n", loss.id, format_size(loss.file_bytes),
               loss.why);
    fmt::print("           lost with it: {} records, {} of them live entries\n", loss.records,
               loss.live_entries);
    if (loss.tombstones == 0) continue;
    fmt::print(
        "           and {} erases, fences, holds or releases: WHAT THEY ERASED MAY BE BACK;\n"
        "           repeat the erases of that time, and place the holds again\n",
        loss.tombstones);
  }
  if (!plan.rebuild_index.empty()) {
    fmt::print("rebuild    the index, at the next start of kacheld; no entry is lost by it: {}{}\n",
               plan.rebuild_index.front(),
               plan.rebuild_index.size() > 1
                   ? fmt::format(", and {} more reasons", plan.rebuild_index.size() - 1)
                   : "");
  }
  for (const std::string& what : plan.by_hand)
    fmt::print("by hand    {}\n", what);
}

}  // namespace

int run_repair(const RepairRequest& request) {
  const auto plan = make_plan(request);
  if (!plan) return refuse_repair(plan.error());
  print_plan(*plan);
  const int left = plan->by_hand.empty() ? kExitClean : kExitFindings;
  if (plan->is_empty()) {
    fmt::print("nothing to repair{}\n", plan->by_hand.empty() ? "" : " that a tool could");
    return left;
  }
  if (!request.yes) {
    fmt::print("nothing was changed: --yes does it\n");
    return kExitFindings;
  }
  auto storage = io::open_posix_storage(request.data, {});
  if (!storage) return refuse_repair(storage.error());
  const auto lock = (*storage)->lock("LOCK");
  if (!lock) return refuse_repair(lock.error());
  if (auto done = inspect::carry_out(**storage, *plan); !done) return refuse_repair(done.error());
  fmt::print(
      "done: start kacheld now; what was set aside is in quarantine/, delete it when it is no "
      "longer needed\n");
  return left;
}

}  // namespace kachel::tools
