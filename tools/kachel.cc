// kachel: the tool beside kacheld. One subcommand a file.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "tools/bench/bench_command.h"
#include "tools/catch_up_command.h"
#include "tools/copy_command.h"
#include "tools/drain_command.h"
#include "tools/dump_command.h"
#include "tools/exit_codes.h"
#include "tools/online_check.h"
#include "tools/receipt_command.h"
#include "tools/repair_command.h"
#include "tools/snapshot_command.h"
#include "tools/stats_command.h"
#include "tools/store_check.h"
#include "tools/user_command.h"
#include "tools/verify_command.h"

namespace {

using namespace kachel::tools;
namespace inspect = kachel::inspect;

struct Arguments {
  std::string endpoint = "127.0.0.1:6380";
  std::string online;  // of what else looks at a data directory; empty: that
  std::string id;
  ReceiptCheck receipt;
  AuditCheck audit;
  StoreCheck store_check;
  DumpRequest dump;
  RepairRequest repair;
  UserRequest user;
  DumpWhat dump_what = DumpWhat::kEntries;
  DrainRequest drain;
  SnapshotRequest snapshot;
  CopyRequest copy;
  CatchUpRequest catch_up;
  kachel::bench::Request bench;
  bool json = false;
};

void add_endpoint(CLI::App& command, Arguments& arguments) {
  command
      .add_option("--connect", arguments.endpoint,
                  "address of the server (127.0.0.1:6380); over TLS: rediss://HOST:PORT")
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

/// A running one instead of --data.
void add_online(CLI::App& command, std::string& online) {
  command
      .add_option("--connect", online,
                  "a running kacheld on this host, by way of a snapshot that it makes for that")
      ->type_name("HOST:PORT")
      ->excludes(command.get_option("--data")->required(false));
}

/// What every check of a store takes.
void add_store_check(CLI::App& command, Arguments& arguments) {
  StoreCheck& check = arguments.store_check;
  add_data(command, check.data);
  add_online(command, arguments.online);
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
  command
      .add_option("--tenant", check.tenant,
                  "whose entries are compared with the index: a name or a number (all)")
      ->type_name("TENANT");
  command.add_flag("--json", check.json,
                   "JSON Lines: header, a status a second, a line a finding, summary");
}

void add_verify_audit(CLI::App& verify, Arguments& arguments) {
  AuditCheck& check = arguments.audit;
  CLI::App* const audit = verify.add_subcommand(
      "audit", "The audit log: nothing changed, removed, added or reordered.");
  add_data(*audit, check.data);
  add_online(*audit, arguments.online);
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
  add_store_check(*verify, arguments);
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
    add_store_check(*command, arguments);
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
  add_verify_audit(*verify, arguments);
}

void add_dump(CLI::App& app, Arguments& arguments) {
  DumpRequest& request = arguments.dump;
  CLI::App* const dump = app.add_subcommand(
      "dump", "Shows what a store has on disk: its entries, or one of the parts below.");
  dump->footer(
      "Keys and subjects are shown as keyed hashes, and values not at all, unless --reveal is "
      "given\n"
      "with a --reason, which is written into the audit log first.\n"
      "Exit code: 0; 1 damage was met on the way; 2 usage; 10 no store there; 11 in use; 12 the "
      "key\n"
      "file is missing.");
  dump->require_subcommand(0, 1);
  dump->fallthrough();
  add_data(*dump, request.data);
  add_online(*dump, arguments.online);
  dump->add_option("--format", request.format, "table, jsonl or csv (table)")->type_name("FORMAT");
  dump->add_option("--tenant", request.tenant,
                   "whose entries: a name or a number (all; of --key and --subject: default)")
      ->type_name("TENANT");
  dump->add_option("--database", request.database, "of --key (0)");
  dump->add_option("--model", request.model, "only entries of this model");
  dump->add_option("--subject", request.subject, "only entries about this subject");
  dump->add_option("--key", request.key, "only this key");
  dump->add_option("--since", request.since, "only entries set then or later")->type_name("TIME");
  dump->add_option("--until", request.until, "only entries set before")->type_name("TIME");
  dump->add_option("--state", request.state, "live, dead, held or all (live)")
      ->check(CLI::IsMember({"live", "dead", "held", "all"}));
  dump->add_option("--limit", request.limit, "no more entries than this; says where to go on");
  dump->add_option("--cursor", request.cursor, "go on from there")->type_name("SEGMENT:OFFSET");
  dump->add_flag("--reveal", request.reveal, "show keys, subjects and values");
  dump->add_option("--reason", request.reason, "why, for the audit log");
  dump->add_flag("--no-audit", request.no_audit, "reveal without an entry in the audit log");
  static constexpr struct {
    DumpWhat what;
    const char* name;
    const char* help;
  } kParts[] = {
      {DumpWhat::kIndex, "index", "The rows of the index."},
      {DumpWhat::kTombstones, "tombstones", "Tombstones and fences that lie in the segments."},
      {DumpWhat::kHolds, "holds", "The holds in force."},
      {DumpWhat::kDictionaries, "dictionaries", "The dictionaries that lie in the segments."},
      {DumpWhat::kAudit, "audit", "The entries of the audit log, one a line."},
      {DumpWhat::kSegment, "segment", "A segment: header, and each record in it."},
      {DumpWhat::kRecord, "record", "A record, byte by byte, with what each means."},
  };
  for (const auto& [what, name, help] : kParts) {
    CLI::App* const part = dump->add_subcommand(name, help);
    part->callback([&arguments, chosen = what] { arguments.dump_what = chosen; });
    if (what == DumpWhat::kSegment) part->add_option("ID", request.place)->required();
    if (what == DumpWhat::kRecord) part->add_option("SEGMENT:OFFSET", request.place)->required();
  }
}

void add_repair(CLI::App& app, RepairRequest& request) {
  CLI::App* const repair = app.add_subcommand(
      "repair", "Has the index rebuilt and sets damaged segments aside. Says what is lost first.");
  repair->footer(
      "Without --yes nothing is changed. Nothing is ever deleted: segments go to quarantine/.\n"
      "Exit code: 0 nothing to do, or done; 1 there is something to do, or left to do by hand;\n"
      "2 usage; 10 no store there; 11 in use; 12 the key file is missing.");
  add_data(*repair, request.data);
  repair->add_flag("--rebuild-index", request.rebuild_index,
                   "have the index rebuilt even if nothing is wrong with it");
  repair->add_flag("--yes", request.yes, "do it");
}

void add_user(CLI::App& app, UserRequest& request) {
  CLI::App* const user =
      app.add_subcommand("user", "Says who may connect to kacheld: the file of its --users.");
  user->footer(
      "A user is a tenant: nobody sees what another one has. Passwords are kept as Argon2id,\n"
      "tokens (of the HTTP port) as SHA-256. Exit code: 0; 2 usage; 3 the file can't be written.");
  user->require_subcommand(1);
  static constexpr struct {
    UserAction action;
    const char* name;
    const char* help;
  } kActions[] = {
      {UserAction::kAdd, "add", "Adds a user, or gives him another password."},
      {UserAction::kToken, "token", "Makes a bearer token for a user, and prints it once."},
      {UserAction::kRemove, "remove", "Removes a user. His entries stay."},
      {UserAction::kList, "list", "Lists the users."},
  };
  for (const auto& [action, name, help] : kActions) {
    CLI::App* const command = user->add_subcommand(name, help);
    command->add_option("--users", request.file, "the users' file")->required()->type_name("FILE");
    command->callback([&request, chosen = action] { request.action = chosen; });
    if (action != UserAction::kList) command->add_option("NAME", request.name)->required();
    if (action != UserAction::kAdd) continue;
    command->add_flag("--admin", request.is_admin, "he may run what concerns all tenants");
    command->add_flag("--password-stdin", request.reads_stdin,
                      "the password is the first line of standard input");
    command->add_flag("--no-password", request.without_password, "he has tokens only");
  }
}

void add_drain(CLI::App& app, Arguments& arguments) {
  CLI::App* const drain = app.add_subcommand(
      "drain",
      "Prepares a running kacheld for being taken out of service: reads are served, values "
      "are accepted and not stored, and it says that it is not ready.");
  add_endpoint(*drain, arguments);
  CLI::Option* const off = drain->add_flag("--off", arguments.drain.off, "store values again");
  drain->add_flag("--status", arguments.drain.only_asks, "only say which it is")->excludes(off);
}

void add_snapshot(CLI::App& app, Arguments& arguments) {
  SnapshotRequest& request = arguments.snapshot;
  CLI::App* const snapshot =
      app.add_subcommand("snapshot", "Makes, lists and deletes snapshots of a running kacheld.");
  snapshot->footer(
      "A snapshot is a directory below snapshots/ in the data directory, of hard links: made in\n"
      "seconds, and shipped with rsync, rclone or restic, which find its segments unchanged the "
      "next\n"
      "time. What is erased meanwhile is in it until it goes: docs/snapshots.md.");
  snapshot->require_subcommand(1);
  CLI::App* const create = snapshot->add_subcommand("create", "Makes a snapshot.");
  create->add_option("NAME", request.name, "letters, digits, '_', '-' and '.'")->required();
  create
      ->add_option(
          "--expires", request.expires,
          "it goes after this time (24h), at the latest after erase_within of the policies")
      ->type_name("TIME");
  CLI::App* const list = snapshot->add_subcommand("list", "Lists the snapshots there are.");
  CLI::App* const remove = snapshot->add_subcommand("delete", "Deletes a snapshot.");
  remove->add_option("NAME", request.name)->required();
  CLI::App* const verify = snapshot->add_subcommand(
      "verify", "Checks every byte of a snapshot, or of a copy of one, as `kachel verify` does.");
  verify->add_option("DIR", arguments.store_check.data, "its directory")->required();
  verify->add_flag("--json", arguments.store_check.json, "JSON Lines");
  for (CLI::App* const command : {create, list, remove})
    add_endpoint(*command, arguments);
  for (CLI::App* const command : {create, list})
    command->add_flag("--json", request.json, "as JSON");
}

/// What both ways of making a store of a snapshot take.
void add_copy_options(CLI::App& command, CopyRequest& request) {
  command.add_option("--data", request.data, "the new data directory: empty, or cut off before")
      ->required()
      ->type_name("DIR");
  command.add_option("--rate", request.rate, "copy no faster than this, a second")
      ->type_name("SIZE");
  command.add_flag("--no-verify", request.no_verify, "do not check every byte afterwards");
  command.add_flag("--json", request.json, "JSON Lines");
  command.footer(
      "The new store serves nothing of what it came with before it knows what was erased since:\n"
      "`kachel catch-up`. Cut off, the same command goes on where it was.");
}

void add_copies(CLI::App& app, Arguments& arguments) {
  CLI::App* const restore =
      app.add_subcommand("restore", "Makes a data directory of a snapshot, or of a copy of one.");
  restore->add_option("SNAPSHOT", arguments.copy.snapshot, "its directory")->required();
  add_copy_options(*restore, arguments.copy);
  CLI::App* const clone = app.add_subcommand(
      "clone", "Makes a data directory of what a running kacheld has, over its port.");
  clone->add_option("--from", arguments.copy.from, "address of that kacheld")
      ->required()
      ->type_name("HOST:PORT");
  add_copy_options(*clone, arguments.copy);
  CLI::Option* const connect =
      clone
          ->add_option("--connect", arguments.copy.connect,
                       "where the new kacheld serves: start it as soon as this says so, and it "
                       "has the hot set while the rest is coming")
          ->type_name("HOST:PORT");
  clone
      ->add_flag("--replace", arguments.copy.replaces,
                 "drain the old kacheld once the new one has it all")
      ->needs(connect);
  CLI::App* const catch_up = app.add_subcommand(
      "catch-up", "Has a store that is a copy learn what was erased since it was made.");
  add_endpoint(*catch_up, arguments);
  CatchUpRequest& request = arguments.catch_up;
  CLI::Option* const from =
      catch_up->add_option("--from", request.from, "a running kacheld that knows")
          ->type_name("HOST:PORT");
  CLI::Option* const copy =
      catch_up
          ->add_option("--from-copy", request.from_copy,
                       "a newer snapshot, or the data directory of a store that nobody runs")
          ->type_name("DIR");
  CLI::Option* const accept = catch_up->add_flag(
      "--accept-doubt", request.accept_doubt,
      "serve all of it, whatever was erased since; you answer for it in the audit log");
  copy->excludes(from);
  accept->excludes(from)->excludes(copy);
  catch_up->add_option("--reason", request.reason, "of that, for the audit log");
  catch_up->add_flag("--json", request.json, "JSON Lines");
  catch_up->footer(
      "Without a source it says what is in doubt. Exit code: 0 nothing is in doubt; 1 something "
      "is;\n"
      "2 usage; 3 it could not be carried out.");
}

int say_where(const char* command) {
  std::fprintf(stderr, "kachel %s: say where the store is: --data DIR, or --connect HOST:PORT\n",
               command);
  return kExitUsage;
}

int run_verify_here_or_there(const Arguments& arguments) {
  StoreCheck check = arguments.store_check;
  if (arguments.online.empty()) {
    return check.data.empty() ? say_where("verify") : run_verify_store(check);
  }
  return run_on_snapshot(arguments.online, "verify", [&](const std::string& directory) {
    check.data = directory;
    return run_verify_store(check);
  });
}

int run_verify_audit_here_or_there(const Arguments& arguments) {
  AuditCheck check = arguments.audit;
  if (arguments.online.empty()) {
    return check.data.empty() ? say_where("verify audit") : run_verify_audit(check);
  }
  return run_on_snapshot(arguments.online, "verify", [&](const std::string& directory) {
    check.data = directory;
    return run_verify_audit(check);
  });
}

int run_dump_here_or_there(const Arguments& arguments) {
  DumpRequest request = arguments.dump;
  if (arguments.online.empty()) {
    return request.data.empty() ? say_where("dump") : run_dump(arguments.dump_what, request);
  }
  if (request.reveal && !request.no_audit) {
    std::fprintf(
        stderr,
        "kachel dump: --reveal is recorded in the audit log, which a running kacheld writes "
        "itself: stop it and give --data\n");
    return kExitUsage;
  }
  return run_on_snapshot(arguments.online, "dump", [&](const std::string& directory) {
    request.data = directory;
    return run_dump(arguments.dump_what, request);
  });
}

int run_snapshot(const CLI::App& snapshot, const Arguments& arguments) {
  if (snapshot.got_subcommand("create")) {
    return run_snapshot_create(arguments.endpoint, arguments.snapshot);
  }
  if (snapshot.got_subcommand("list")) {
    return run_snapshot_list(arguments.endpoint, arguments.snapshot);
  }
  if (snapshot.got_subcommand("delete")) {
    return run_snapshot_delete(arguments.endpoint, arguments.snapshot);
  }
  return run_verify_store(arguments.store_check);
}

int run(const CLI::App& app, const Arguments& arguments) {
  if (app.got_subcommand("bench")) return kachel::bench::run_bench(arguments.bench);
  if (app.got_subcommand("snapshot")) {
    return run_snapshot(*app.get_subcommand("snapshot"), arguments);
  }
  if (app.got_subcommand("restore")) return run_restore(arguments.copy);
  if (app.got_subcommand("clone")) return run_clone(arguments.copy);
  if (app.got_subcommand("catch-up")) return run_catch_up(arguments.endpoint, arguments.catch_up);
  if (app.got_subcommand("drain")) return run_drain(arguments.endpoint, arguments.drain);
  if (app.got_subcommand("stats")) return run_stats(arguments.endpoint, arguments.json);
  if (app.got_subcommand("user")) return run_user(arguments.user);
  if (app.got_subcommand("repair")) return run_repair(arguments.repair);
  if (app.got_subcommand("dump")) return run_dump_here_or_there(arguments);
  if (app.got_subcommand("verify")) {
    const bool is_audit = app.get_subcommand("verify")->got_subcommand("audit");
    return is_audit ? run_verify_audit_here_or_there(arguments)
                    : run_verify_here_or_there(arguments);
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
  add_dump(app, arguments);
  add_repair(app, arguments.repair);
  add_drain(app, arguments);
  add_snapshot(app, arguments);
  add_copies(app, arguments);
  add_user(app, arguments.user);
  kachel::bench::add_bench(app, arguments.bench);

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
