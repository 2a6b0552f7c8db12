// kachel: the tool beside kacheld. One subcommand a file.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "tools/exit_codes.h"
#include "tools/receipt_command.h"
#include "tools/stats_command.h"
#include "tools/verify_command.h"

namespace {

using namespace kachel::tools;

struct Arguments {
  std::string endpoint = "127.0.0.1:6380";
  std::string id;
  ReceiptCheck receipt;
  AuditCheck audit;
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

void add_verify(CLI::App& app, Arguments& arguments) {
  CLI::App* const verify = app.add_subcommand("verify", "Checks what a store has on disk.");
  verify->require_subcommand(1);
  CLI::App* const audit = verify->add_subcommand(
      "audit", "Checks the whole audit log: nothing changed, removed, added or reordered.");
  audit->add_option("--data", arguments.audit.data, "the data directory")
      ->required()
      ->type_name("DIR");
  audit->add_option("--key", arguments.audit.key,
                    "the log's public key, or a file that holds it (default: the one beside it)");
  audit
      ->add_option("--checkpoint", arguments.audit.checkpoints,
                   "a receipt or a checkpoint that was kept elsewhere; may be given again")
      ->type_name("FILE");
  audit->add_flag("--json", arguments.audit.json, "a line of JSON for each finding, and a summary");
}

int run(const CLI::App& app, const Arguments& arguments) {
  if (app.got_subcommand("stats")) return run_stats(arguments.endpoint, arguments.json);
  if (app.got_subcommand("verify")) return run_verify_audit(arguments.audit);
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
