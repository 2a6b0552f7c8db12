#include "tools/store_check.h"

#include <charconv>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fmt/format.h>

#include "engine/audit/receipt.h"
#include "engine/scope.h"
#include "io/units.h"
#include "tools/exit_codes.h"
#include "tools/files.h"
#include "tools/inspection_output.h"
#include "tools/tenant_option.h"
#include "tools/verify_command.h"

namespace kachel::tools {
namespace {

constexpr std::string_view kScopeNames[] = {"quick", "full", "index", "segments", "erasure"};

Error wrong_usage(std::string what) {
  return {ErrorCode::kInvalidArgument, std::move(what)};
}

int refuse_check(int code, const std::string& what) {
  fmt::print(stderr, "kachel verify: {}\n", what);
  return code;
}

std::int64_t wall_now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

Result<inspect::Limits> limits_of(const StoreCheck& check) {
  inspect::Limits limits;
  if (!check.rate.empty()) {
    const auto rate = parse_size(check.rate);
    if (!rate || *rate == 0) return wrong_usage("--rate: give a size a second, such as 100MiB");
    limits.bytes_per_s = *rate;
  }
  if (!check.max_duration.empty()) {
    const auto longest = parse_duration_ms(check.max_duration);
    if (!longest || *longest <= 0) {
      return wrong_usage("--max-duration: give a duration, such as 30m or 2h");
    }
    limits.longest = std::chrono::milliseconds(*longest);
  }
  return limits;
}

Result<inspect::Selection> selection_of(const StoreCheck& check) {
  inspect::Selection selection;
  if (!check.sample.empty()) {
    auto sample = parse_sample(check.sample);
    if (!sample) return sample;
    selection = *sample;
  }
  selection.seed = check.seed;
  for (const auto& [text, to] : {std::pair(&check.since, &selection.since_ms),
                                 std::pair(&check.until, &selection.until_ms)}) {
    if (text->empty()) continue;
    const auto moment = parse_moment_ms(*text);
    if (!moment) return moment.error();
    *to = *moment;
  }
  return selection;
}

/// A receipt that does not hold says nothing of what is to be gone.
Result<inspect::ErasureClaim> claim_of(const std::string& path, const audit::VerifierKey& key) {
  const auto text = read_text(path, audit::kMaxReceiptBytes);
  if (!text) return wrong_usage(text.error().message);
  const auto receipt = audit::parse_receipt(*text);
  if (!receipt) return receipt.error();
  const auto verified = audit::verify_receipt(*receipt, key);
  if (!verified) return verified.error();
  auto scope = inspect::ErasedScope::of(verified->erase);
  if (!scope) return scope.error();
  return inspect::ErasureClaim{std::move(*scope), verified->reclaim.has_value()};
}

/// What names and receipts say should be gone. Receipts that do not hold are reported.
Result<void> add_claims(const StoreCheck& check, std::uint32_t tenant,
                        const inspect::StoreView& store, inspect::Inspection& inspection,
                        inspect::VerifyOptions& options) {
  if (!check.receipts.empty()) {
    const auto key = read_verifier_key(check.data + "/audit/signing.pub");
    if (!key) return key.error();
    for (const std::string& path : check.receipts) {
      auto claim = claim_of(path, *key);
      if (claim) {
        options.claims.push_back(std::move(*claim));
      } else if (claim.error().message.find(path) != std::string::npos) {
        return claim.error();
      } else {
        inspection.report({inspect::FindingCode::kReceipt, path, {}, 0, claim.error().message});
      }
    }
  }
  if (check.keys.empty() && check.subjects.empty()) return {};
  if (!store.mac_key()) return Error{ErrorCode::kKeyMissing, "the store's key file is missing"};
  for (const std::string& key : check.keys) {
    const Namespace space{tenant, static_cast<std::uint8_t>(check.database)};
    options.texts.emplace_back(key);
    options.claims.push_back(
        {inspect::ErasedScope::of_key({space, key_mac(*store.mac_key(), space, key)}), true});
    const Namespace fields = fields_of(space);
    options.claims.push_back(
        {inspect::ErasedScope::of_hash(fields, hash_prefix(*store.mac_key(), fields, key)), true});
  }
  for (const std::string& subject : check.subjects) {
    options.texts.emplace_back(subject);
    const Mac mac = scope_mac(*store.mac_key(), tenant, ScopeKind::kSubject, subject);
    options.claims.push_back({inspect::ErasedScope::of_subject(tenant, mac), true});
  }
  return {};
}

void check_key_mode(const std::string& data, inspect::Inspection& inspection) {
  using std::filesystem::perms;
  std::error_code code;
  const auto status = std::filesystem::status(data + "/key", code);
  if (code || (status.permissions() & (perms::group_all | perms::others_all)) == perms::none)
    return;
  inspection.report({inspect::FindingCode::kKeyReadable,
                     "key",
                     {},
                     0,
                     fmt::format("its mode is {:o}, not 600",
                                 static_cast<unsigned>(status.permissions() & perms::mask))});
}

int exit_code_of(const inspect::StoreView& store, const inspect::VerifyReport& report,
                 const inspect::Progress& progress) {
  if (progress.overdue > 0) return kExitOverdue;
  if (!store.mac_key()) return kExitKeyMissing;
  if (progress.findings > 0) return kExitFindings;
  return report.is_complete(progress) ? kExitClean : kExitIncomplete;
}

}  // namespace

Result<inspect::Selection> parse_sample(const std::string& text) {
  const char* const end = text.data() + text.size();
  inspect::Selection selection;
  if (text.ends_with('%')) {
    double percent = 0;
    const auto [stopped, error] = std::from_chars(text.data(), end, percent);
    if (error == std::errc() && stopped == end - 1 && percent > 0 && percent <= 100) {
      selection.share = percent / 100;
      return selection;
    }
  } else {
    const auto part = std::from_chars(text.data(), end, selection.part);
    if (part.ec == std::errc() && part.ptr != end && *part.ptr == '/') {
      const auto parts = std::from_chars(part.ptr + 1, end, selection.parts);
      if (parts.ec == std::errc() && parts.ptr == end && selection.part >= 1 &&
          selection.part <= selection.parts) {
        return selection;
      }
    }
  }
  return wrong_usage(
      "--sample: give a share such as 5%, or a part such as 2/10 (the second of ten)");
}

Result<std::int64_t> parse_moment_ms(const std::string& text) {
  std::int64_t ms = 0;
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
  if (error == std::errc() && stopped == text.data() + text.size()) return ms;
  for (const char* const form : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"}) {
    std::tm time{};
    const char* const end = ::strptime(text.c_str(), form, &time);
    if (end != nullptr && *end == '\0') return std::int64_t{::timegm(&time)} * 1000;
  }
  return wrong_usage("\"" + text + "\" is no moment; write 2026-11-29, 2026-11-29T08:00:00Z or " +
                     "milliseconds since the epoch");
}

int run_verify_store(const StoreCheck& check) {
  const auto limits = limits_of(check);
  if (!limits) return refuse_check(kExitUsage, limits.error().message);
  const auto selection = selection_of(check);
  if (!selection) return refuse_check(kExitUsage, selection.error().message);
  inspect::Inspection inspection(*limits);
  const std::string name(kScopeNames[static_cast<std::size_t>(check.scope)]);
  InspectionOutput output(inspection, name, check.data, check.json);
  output.print_header();

  const auto store = inspect::StoreView::open(check.data, inspection);
  if (!store) {
    const std::string hint = store.error().code == ErrorCode::kLocked
                                 ? "; stop it, or check a copy or a snapshot of the directory"
                                 : "";
    return refuse_check(exit_code_for(store.error()),
                        check.data + ": " + store.error().message + hint);
  }
  check_key_mode(check.data, inspection);
  inspect::VerifyOptions options;
  options.scope = check.scope;
  options.selection = *selection;
  const auto tenant = find_tenant(**store, check.tenant);
  if (!tenant) return refuse_check(kExitUsage, tenant.error().message);
  options.tenant = *tenant;
  options.now_ms = wall_now_ms();
  options.resume_path = check.resume;
  for (const std::string& path : check.checkpoints) {
    auto notes = read_checkpoints(path);
    if (!notes) return refuse_check(kExitUsage, path + ": " + notes.error().message);
    options.audit.checkpoints.insert(options.audit.checkpoints.end(), notes->begin(), notes->end());
  }
  if (auto added = add_claims(check, tenant->value_or(0), **store, inspection, options); !added) {
    return refuse_check(exit_code_for(added.error()), added.error().message);
  }
  const auto report = inspect::verify_store(**store, options, inspection);
  if (!report) return refuse_check(exit_code_for(report.error()), report.error().message);
  const int code = exit_code_of(**store, *report, inspection.progress);
  output.print_summary(*report, code);
  return code;
}

}  // namespace kachel::tools
