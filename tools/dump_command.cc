#include "tools/dump_command.h"

#include <chrono>
#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "engine/audit/audit_log.h"
#include "engine/audit/event.h"
#include "engine/scope.h"
#include "io/posix_storage.h"
#include "tools/dump_internal.h"
#include "tools/exit_codes.h"
#include "tools/tenant_option.h"

namespace kachel::tools {
namespace {

int refuse_dump(const Error& error) {
  fmt::print(stderr, "kachel dump: {}\n", error.message);
  return exit_code_for(error);
}

std::int64_t dump_now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::optional<RowFormat> format_of(const std::string& name) {
  if (name == "table") return RowFormat::kTable;
  if (name == "jsonl") return RowFormat::kJsonLines;
  if (name == "csv") return RowFormat::kCsv;
  return std::nullopt;
}

Result<void> run_part(DumpWhat what, DumpContext& context) {
  switch (what) {
    case DumpWhat::kEntries:
      return dump_entries(context);
    case DumpWhat::kRecord:
      return dump_record(context);
    case DumpWhat::kSegment:
      return dump_segment(context);
    case DumpWhat::kIndex:
      return dump_index(context);
    case DumpWhat::kTombstones:
      return dump_tombstones(context);
    case DumpWhat::kHolds:
      return dump_holds(context);
    case DumpWhat::kDictionaries:
      return dump_dictionaries(context);
    case DumpWhat::kAudit:
      return dump_audit(context);
  }
  return {};
}

/// What of the request goes into the audit log, for ever: keyed hashes in the place of names.
std::map<std::string, std::string> filters_of(const DumpRequest& request,
                                              std::optional<std::uint32_t> whose,
                                              const MacKey& key) {
  std::map<std::string, std::string> filters;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) filters[name] = value;
  };
  const std::uint32_t tenant = whose.value_or(0);
  const auto database = static_cast<std::uint8_t>(request.database);
  if (whose) filters["tenant"] = std::to_string(tenant);
  if (!request.key.empty()) filters["key"] = text_of(key_mac(key, {tenant, database}, request.key));
  if (!request.subject.empty()) {
    filters["subject"] = text_of(scope_mac(key, tenant, ScopeKind::kSubject, request.subject));
  }
  add("model", request.model);
  add("since", request.since);
  add("until", request.until);
  add("cursor", request.cursor);
  add("place", request.place);
  filters["state"] = request.state;
  return filters;
}

}  // namespace

inspect::OnFinding DumpContext::on_finding() {
  return [this](const inspect::Finding& finding) {
    had_damage |= finding.severity() != inspect::Severity::kNote;
    fmt::print(stderr, "kachel dump: {}{}: {}\n", finding.path,
               finding.offset ? fmt::format(":{}", *finding.offset) : "", finding.message);
  };
}

std::string dump_time(std::int64_t ms) {
  if (ms == 0) return "";
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm time{};
  if (::gmtime_r(&seconds, &time) == nullptr) return std::to_string(ms);  // beyond any calendar
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", time);
}

Result<void> record_reveal(const DumpRequest& request, std::int64_t now_ms) {
  std::vector<ZeroizingString> names;
  for (const std::string& name : {request.key, request.subject})
    if (!name.empty()) names.emplace_back(name);
  if (request.reason.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "--reveal needs --reason TEXT, which goes into the audit log; name a case"};
  }
  if (auto fits = audit::check_reason(request.reason, names); !fits) return fits;
  const auto hint = [](Error error) {
    error.message += "; --no-audit shows them without an entry in the audit log, and says so";
    return error;
  };
  auto storage = io::open_posix_storage(request.data, {});
  if (!storage) return hint(storage.error());
  auto lock = (*storage)->lock("LOCK");
  if (!lock) return hint(lock.error());
  inspect::Inspection inspection({});
  const auto store = inspect::StoreView::open(**storage, inspection);
  if (!store) return store.error();
  if (!(*store)->mac_key()) return Error{ErrorCode::kKeyMissing, "the store's key file is missing"};
  io::SystemRandom random;
  auto log = audit::AuditLog::open(**storage, inspect::audit_origin((*store)->store_id()), random);
  if (!log) return hint(log.error());
  audit::DumpEvent event;
  event.time_ms = now_ms;
  const auto tenant = find_tenant(**store, request.tenant);
  if (!tenant) return tenant.error();
  event.filters = filters_of(request, *tenant, *(*store)->mac_key());
  event.reason = request.reason;
  if (auto added = (*log)->append(audit::leaf_of(event)); !added) return hint(added.error());
  return (*log)->checkpoint();
}

int run_dump(DumpWhat what, const DumpRequest& request) {
  const auto format = format_of(request.format);
  if (!format) {
    return refuse_dump({ErrorCode::kInvalidArgument, "--format: give table, jsonl or csv"});
  }
  const std::int64_t now_ms = dump_now_ms();
  if (request.reveal && request.no_audit) {
    fmt::print(stderr,
               "kachel dump: keys and values are shown WITHOUT an entry in the audit log\n");
  } else if (request.reveal) {
    if (auto recorded = record_reveal(request, now_ms); !recorded) {
      return refuse_dump(recorded.error());
    }
  }
  inspect::Inspection inspection({});
  const auto store = inspect::StoreView::open(request.data, inspection);
  if (!store) return refuse_dump(store.error());
  const auto tenant = find_tenant(**store, request.tenant);
  if (!tenant) return refuse_dump(tenant.error());
  DumpContext context{**store, request, *tenant, *format, now_ms};
  if (auto done = run_part(what, context); !done) return refuse_dump(done.error());
  return context.had_damage ? kExitFindings : kExitClean;
}

}  // namespace kachel::tools
