#include "tools/verify_command.h"

#include <boost/json.hpp>
#include <cstdio>
#include <fmt/format.h>

#include "engine/audit/receipt.h"
#include "engine/audit/verify_all.h"
#include "io/posix_storage.h"
#include "io/units.h"
#include "tools/exit_codes.h"
#include "tools/files.h"

namespace kachel::tools {
namespace {

int give_up(int code, const std::string& what) {
  std::fprintf(stderr, "kachel verify: %s\n", what.c_str());
  return code;
}

void print(const audit::AuditFindings& findings) {
  for (const audit::Finding& finding : findings.findings) {
    fmt::print("{:<13}  {}{}: {}\n", audit::finding_name(finding.kind), finding.path,
               finding.entry ? fmt::format(", entry {}", *finding.entry) : "", finding.message);
  }
  if (findings.not_listed > 0) fmt::print("and {} more\n", findings.not_listed);
  fmt::print("checked: {} entries, {} signed checkpoints, {}; {} findings\n",
             findings.leaves_checked, findings.checkpoints_checked,
             format_size(findings.bytes_checked), findings.findings.size() + findings.not_listed);
}

void print_json(const audit::AuditFindings& findings) {
  for (const audit::Finding& finding : findings.findings) {
    boost::json::object line{{"finding", audit::finding_name(finding.kind)},
                             {"path", finding.path},
                             {"message", finding.message}};
    if (finding.entry) line["entry"] = *finding.entry;
    fmt::print("{}\n", boost::json::serialize(line));
  }
  fmt::print("{}\n", boost::json::serialize(boost::json::object{
                         {"summary", "audit"},
                         {"clean", findings.is_clean()},
                         {"entries", findings.leaves_checked},
                         {"checkpoints", findings.checkpoints_checked},
                         {"bytes", findings.bytes_checked},
                         {"findings", findings.findings.size() + findings.not_listed}}));
}

}  // namespace

Result<std::vector<std::string>> read_checkpoints(const std::string& path) {
  auto text = read_text(path, audit::kMaxReceiptBytes);
  if (!text) return text.error();
  const auto receipt = audit::parse_receipt(*text);
  if (!receipt) return std::vector<std::string>{std::move(*text)};
  std::vector<std::string> notes;
  for (const audit::ProvenLeaf& event : receipt->events) {
    auto proof = audit::parse_log_proof(event.proof);
    if (!proof) return proof.error();
    notes.push_back(std::move(proof->checkpoint));
  }
  return notes;
}

int run_verify_audit(const AuditCheck& check) {
  io::PosixStorageOptions options;
  options.read_only = true;
  auto storage = io::open_posix_storage(check.data, options);
  if (!storage) return give_up(kExitNoStore, storage.error().message);
  const auto lock = (*storage)->lock("LOCK");
  if (!lock && lock.error().code == ErrorCode::kLocked) {
    return give_up(kExitLocked, check.data + ": " + lock.error().message +
                                    "; stop it, or check a copy of the directory");
  }
  audit::AuditExpectations expected;
  auto key = read_verifier_key(check.key.empty() ? check.data + "/audit/signing.pub" : check.key);
  if (!key) {
    const auto is_there = (*storage)->exists("audit");
    if (is_there && !*is_there) {
      return give_up(kExitNoStore,
                     check.data + " has no audit log: nothing was ever recorded there");
    }
    return give_up(check.key.empty() ? kExitFindings : kExitUsage, key.error().message);
  }
  expected.origin = key->name;
  expected.key = std::move(*key);
  for (const std::string& path : check.checkpoints) {
    auto notes = read_checkpoints(path);
    if (!notes) return give_up(kExitUsage, path + ": " + notes.error().message);
    expected.checkpoints.insert(expected.checkpoints.end(), notes->begin(), notes->end());
  }
  const auto findings = audit::verify_all(**storage, expected);
  if (!findings) return give_up(kExitNoStore, findings.error().message);
  if (check.json) {
    print_json(*findings);
  } else {
    print(*findings);
  }
  return findings->is_clean() ? kExitClean : kExitFindings;
}

}  // namespace kachel::tools
