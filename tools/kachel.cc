// kachel: the tool beside kacheld. One subcommand a file.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "tools/exit_codes.h"
#include "tools/receipt_command.h"
#include "tools/stats_command.h"
#include "tools/store_check.h"
#include "tools/verify_command.h"

namespace {

using namespace kachel::tools;
namespace inspect = kachel::inspect;

struct Arguments {
  std::string endpoint = "127.0.0.1:6380";
  std::string id;
  ReceiptCheck receipt;
  AuditCheck audit;
  StoreCheck store_check;
  bool json = false;
};

void add_endpoint(CLI::App& command, Arguments& arguments) {
  command.add_option("--connect", arguments.endpoint, "address of the server (127.0.0.1:6380)")
      ->type_name("HOST:PORT");
}

void add_receipt(CLI::App& app, Arguments& arguments) {
  CLI::App* const receipt =
      app.add_subcommand("receipt", "Fetches and checks the receipts of erases.");
  receipt->require_subcommand(1);
  CLI::App* const get = receipt->add_subcommand("get", "Prints a receipt, as JSON.");
  get->add_option("ID", arguments.id, "as KACHEL.ERASE has answered it")->required();
  add_endpoint(*get, arguments);
  CLI::App* const verify = receipt->add_subcommand(
      "verify", "Checks a receipt without the server, and says what it proves.");
  verify->add_option("FILE", arguments.receipt.file, "the receipt; - for standard input")
      ->required();
  verify->add_option("--key", arguments.receipt.key,
                     "the audit log's public key, or a file that holds it");
  verify->add_option("--data", arguments.receipt.data, "the data directory: its key is used")
      ->type_name("DIR");
  verify->add_flag("--json", arguments.receipt.json, "as JSON");
}

CLI::Option* add_data(CLI::App& command, std::string& data) {
  return command
      .add_option("--data", data, "the data directory, of a store that nobody runs, or a copy")
      ->required()
      ->type_name("DIR");
}

/// What every check of a store takes.
void add_store_check(CLI::App& command, StoreCheck& check) {
  add_data(command, check.data);
  command.add_option("--rate", check.rate, "read no faster than this, a second")->type_name("SIZE");
  command
      .add_option("--max-duration", check.max_duration,
                  "end after this time, with exit code 3 where something is left (30m, 2h)")
      ->type_name("TIME");
  command
      .add_option("--resume", check.resume,
                  "keep the state of a run that was cut off here, and go on from there")
      ->type_name("FILE");
  command
      .add_option(
          "--sample", check.sample,
          "look into a part of the segments only: 5%, by chance, or 2/10, the second of ten")
      ->type_name("PART");
  command.add_option("--seed", check.seed, "of that chance (0)");
  command.add_option("--since", check.since, "only segments made then or later")->type_name("TIME");
  command.add_option("--until", check.until, "only segments made before")->type_name("TIME");
  command.add_option("--tenant", check.tenant, "whose entries are compared with the index (all)");
  command.add_flag("--json", check.json,
                   "JSON Lines: header, a status a second, a line a finding, summary");
}

void add_verify_audit(CLI::App& verify, AuditCheck& check) {
  CLI::App* const audit = verify.add_subcommand(
      "audit", "The audit log: nothing changed, removed, added or reordered.");
  add_data(*audit, check.data);
  audit->add_option("--key", check.key,
                    "the log's public key, or a file that holds it (default: the one beside it)");
  audit
      ->add_option("--checkpoint", check.checkpoints,
                   "a receipt or a checkpoint that was kept elsewhere; may be given again")
      ->type_name("FILE");
  audit->add_flag("--json", check.json, "a line of JSON for each finding, and a summary");
}

void add_verify(CLI::App& app, Arguments& arguments) {
  using inspect::VerifyScope;
  CLI::App* const verify = app.add_subcommand("verify",
                                              "Checks what a store has on disk, and never writes "
                                              "to it. Without one of the words below: full.");
  verify->footer(
      "Exit code: 0 clean, and all was checked; 1 findings; 2 usage; 3 not all was checked;\n"
      "4 an erasure is overdue; 10 no store there; 11 in use; 12 the key file is missing.\n"
      "What each finding means, and what to do: docs/audit.md.");
  verify->require_subcommand(0, 1);
  add_store_check(*verify, arguments.store_check);
  verify->get_option("--data")->required(false);
  static constexpr struct {
    VerifyScope scope;
    const char* name;
    const char* help;
  } kScopes[] = {
      {VerifyScope::kFull, "full", "Every byte of every file, and all of them against each other."},
      {VerifyScope::kQuick, "quick",
       "What a start relies on: superblock, key, headers, dictionaries, tables, the index's "
       "marker."},
      {VerifyScope::kIndex, "index", "The index against the segments' tables, in both directions."},
      {VerifyScope::kSegments, "segments", "Every byte of the segments."},
      {VerifyScope::kErasure, "erasure",
       "That what was due is gone; with receipts or names, that this is."},
  };
  for (const auto& [scope, name, help] : kScopes) {
    CLI::App* const command = verify->add_subcommand(name, help);
    StoreCheck& check = arguments.store_check;
    add_store_check(*command, check);
    command->callback([&check, chosen = scope] { check.scope = chosen; });
    if (scope == VerifyScope::kFull || scope == VerifyScope::kErasure) {
      command
          ->add_option("--checkpoint", check.checkpoints,
                       "of the audit log, or a receipt, kept elsewhere; may be given again")
          ->type_name("FILE");
    }
    if (scope != VerifyScope::kErasure) continue;
    command->add_option("--receipt", check.receipts, "of an erase; may be given again")
        ->type_name("FILE");
    command->add_option("--key", check.keys, "a key that should be nowhere; may be given again");
    command->add_option("--subject", check.subjects,
                        "a subject that should be nowhere; may be given again");
    command->add_option("--database", check.database, "of the keys (0)");
  }
  add_verify_audit(*verify, arguments.audit);
}

int run(const CLI::App& app, const Arguments& arguments) {
  if (app.got_subcommand("stats")) return run_stats(arguments.endpoint, arguments.json);
  if (app.got_subcommand("verify")) {
    const bool is_audit = app.get_subcommand("verify")->got_subcommand("audit");
    if (!is_audit && arguments.store_check.data.empty()) {
      std::fprintf(stderr, "kachel verify: --data is required: say where the store is\n");
      return kExitUsage;
    }
    return is_audit ? run_verify_audit(arguments.audit) : run_verify_store(arguments.store_check);
  }
  const bool is_get = app.get_subcommand("receipt")->got_subcommand("get");
  return is_get ? run_receipt_get(arguments.endpoint, arguments.id)
                : run_receipt_verify(arguments.receipt);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("The tool of Kachel, a persistent tiered cache.", "kachel");
  app.set_version_flag("--version", std::string("kachel ") + KACHEL_VERSION);
  app.require_subcommand(1);

  Arguments arguments;
  CLI::App* const stats = app.add_subcommand("stats", "Shows the numbers of a running kacheld.");
  add_endpoint(*stats, arguments);
  stats->add_flag("--json", arguments.json, "as JSON instead of a table");
  add_receipt(app, arguments);
  add_verify(app, arguments);

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "kachel: %s (see kachel --help)\n", error.what());
    return kExitUsage;
  }
  return run(app, arguments);
}
