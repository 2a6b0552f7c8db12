#include "tools/copy_command.h"

#include <boost/json.hpp>
#include <chrono>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <thread>
#include <utility>

#include "engine/arrivals.h"
#include "engine/audit/audit_log.h"
#include "engine/audit/event.h"
#include "engine/inspect/store_view.h"
#include "io/clock.h"
#include "io/random.h"
#include "io/units.h"
#include "tools/copy_source.h"
#include "tools/exit_codes.h"
#include "tools/follower.h"
#include "tools/online_check.h"
#include "tools/progress_text.h"
#include "tools/resp_client.h"
#include "tools/segment_arrivals.h"
#include "tools/store_check.h"
#include "tools/store_copier.h"
#include "tools/transfer.h"

namespace kachel::tools {
namespace {

namespace json = boost::json;

int fail(const char* command, const Error& error) {
  fmt::print(stderr, "kachel {}: {}\n", command, error.message);
  if (error.code == ErrorCode::kForeign) return kExitUsage;
  return exit_code_for(error);
}

Result<std::uint64_t> rate_of(const CopyRequest& request) {
  if (request.rate.empty()) return 0;
  auto rate = parse_size(request.rate);
  if (!rate) return Error{ErrorCode::kInvalidArgument, "--rate: " + rate.error().message};
  return rate;
}

/// An entry in the copy's own audit log: that it is one.
Result<void> record(io::Storage& storage, const format::SnapshotManifest& manifest,
                    const std::string& source) {
  io::SystemRandom random;
  auto log = audit::AuditLog::open(storage, inspect::audit_origin(manifest.store_id), random);
  if (!log) return log.error();
  const io::SystemClock clock;
  const audit::CopyEvent event{
      "restore",
      clock.wall_ms(),
      manifest.through,
      {{"source", source}, {"snapshot_ms", std::to_string(manifest.created_ms)}}};
  if (auto added = (*log)->append(audit::leaf_of(event)); !added) return added.error();
  return (*log)->checkpoint();
}

CopyOptions options_for(const std::string& source) {
  CopyOptions options;
  options.on_store = [source](io::Storage& storage, const format::SnapshotManifest& manifest) {
    return record(storage, manifest, source);
  };
  return options;
}

/// `result`: unless this run has begun nothing, and goes on with what is there.
void print(const Transfer& transfer, const CopyRequest& request, const CopyResult* result) {
  const std::uint64_t rate = bytes_per_second(transfer.copied_bytes(), transfer.duration_ms());
  if (request.json) {
    json::object line{{"type", "copied"},
                      {"data", request.data},
                      {"bytes", transfer.expected_bytes()},
                      {"copied_bytes", transfer.copied_bytes()},
                      {"duration_ms", transfer.duration_ms()},
                      {"bytes_per_s", rate}};
    if (result != nullptr) {
      line["files"] = result->files;
      line["through"] = result->manifest.through;
      line["snapshot_ms"] = result->manifest.created_ms;
    }
    fmt::print("{}\n", json::serialize(line));
  } else {
    fmt::print("copied    {}{} ({} of it now, {}/s)\n",
               result != nullptr ? fmt::format("{} files, ", result->files) : "",
               format_size(transfer.expected_bytes()), format_size(transfer.copied_bytes()),
               format_size(rate));
  }
  std::fflush(stdout);
}

/// What comes after the copying, where no kacheld runs on it yet.
int finish(const CopyRequest& request, const Transfer& transfer, const CopyResult& result) {
  print(transfer, request, &result);
  int code = kExitClean;
  if (!request.no_verify) {
    StoreCheck check;
    check.data = request.data;
    check.json = request.json;
    code = run_verify_store(check);
  }
  if (!request.json) {
    fmt::print(
        "next      start kacheld --data {}: it serves as an empty cache until it knows what was\n"
        "          erased since; then kachel catch-up --connect HOST:PORT --from HOST:PORT of a "
        "node "
        "that\n          knows, or --from-copy DIR\n",
        request.data);
  }
  return code;
}

/// The snapshot that a clone is made of lives on the source, under this name.
std::string clone_name() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return fmt::format("clone-{}",
                     std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

/// That of a clone that was cut off, while it is there, or a new one.
Result<std::string> snapshot_for(RespClient& client, const CopyRequest& request,
                                 const std::string& before) {
  const std::string prefix = request.from + ' ';
  if (before.starts_with(prefix)) {
    std::string name = before.substr(prefix.size());
    if (client.ask({"KACHEL.SNAPSHOT", "FILES", name})) return name;
  }
  std::string name = clone_name();
  const auto made = client.ask({"KACHEL.SNAPSHOT", "CREATE", name});
  if (!made) return made.error();
  return name;
}

/// It would go by itself.
void remove_snapshot(RespClient& client, const CopyRequest& request, const std::string& name) {
  if (auto removed = client.ask({"KACHEL.SNAPSHOT", "DELETE", name}); !removed) {
    fmt::print(stderr, "kachel clone: snapshot {} stays on {}: {}\n", name, request.from,
               removed.error().message);
  }
}

int fail_clone(Error error) {
  error.message += "; the same command goes on from here";
  return fail("clone", error);
}

// ---- a clone that serves while it is being made ---------------------------------------------

void say_serving(const CopyRequest& request, const Learnt& learnt) {
  if (request.json) {
    fmt::print("{}\n", json::serialize(json::object{{"type", "serving"},
                                                    {"at", request.connect},
                                                    {"alive", learnt.alive},
                                                    {"erased", learnt.erased}}));
  } else {
    fmt::print(
        "serving   {} knows what was erased ({} entries are alive), and serves what has "
        "come\n",
        request.connect, learnt.alive);
  }
  std::fflush(stdout);
}

void say_base(const CopyRequest& request, const Transfer& transfer) {
  if (request.json) {
    fmt::print("{}\n", json::serialize(json::object{{"type", "can_start"},
                                                    {"data", request.data},
                                                    {"copied_bytes", transfer.copied_bytes()},
                                                    {"expected_bytes", transfer.expected_bytes()},
                                                    {"duration_ms", transfer.duration_ms()}}));
  } else {
    fmt::print(
        "begun     index and hot set are there ({}): start kacheld --data {}, to serve at "
        "{}\n",
        format_size(transfer.copied_bytes()), request.data, request.connect);
  }
  std::fflush(stdout);
}

/// What has left the snapshot by its deadline is due in the copy too, and goes there.
Result<void> await_the_rest(const CopyRequest& request, const SegmentArrivals& arrivals) {
  auto copy = RespClient::connect(request.connect, kLongPatience);
  if (!copy) return copy.error();
  while (true) {
    const auto left = arrivals.count();
    if (!left) return left.error();
    const auto described = ask_what(*copy);
    if (!described) return described.error();
    if (*left == 0 && described->arriving_segments == 0) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

int say_caught_up(const CopyRequest& request, const Learnt& learnt) {
  if (request.json) {
    fmt::print("{}\n", json::serialize(json::object{{"type", "caught_up"},
                                                    {"source", request.from},
                                                    {"alive", learnt.alive},
                                                    {"erased", learnt.erased}}));
  } else {
    fmt::print("caught up {} entries are alive, {} were erased since the copying began\n",
               learnt.alive, learnt.erased);
    if (request.replaces) {
      fmt::print("drained   {} stores no more values: send clients to {}\n", request.from,
                 request.connect);
    }
  }
  std::fflush(stdout);
  if (request.no_verify) return kExitClean;
  return run_on_snapshot(request.connect, "verify", [&](const std::string& directory) {
    StoreCheck check;
    check.data = directory;
    check.json = request.json;
    return run_verify_store(check);
  });
}

/// The base, unless it is there, then the rest beside a kacheld.
int clone_in_stages(const CopyRequest& request, RespClient& client, std::uint64_t rate) {
  auto storage = open_target(request.data);
  if (!storage) return fail("clone", storage.error());
  auto begun = SegmentArrivals::source_of(**storage);
  const auto unfinished = unfinished_source(request.data);
  // Its base is complete when nothing says that it is not.
  const bool has_base = begun && !unfinished;
  if (!has_base && !unfinished && unfinished.error().code != ErrorCode::kNotFound) {
    return fail("clone", unfinished.error());
  }
  const std::string before = has_base ? *begun : unfinished ? *unfinished : "";
  const auto snapshot = snapshot_for(client, request, before);
  if (!snapshot) return fail("clone", snapshot.error());
  const std::string source = request.from + ' ' + *snapshot;
  if (has_base && source != before) {
    return fail("clone", {ErrorCode::kInvalidArgument,
                          fmt::format("{} is an incomplete copy of what {} no longer has: empty it "
                                      "and begin anew",
                                      request.data, request.from)});
  }
  const auto files = server_source(client, *snapshot);
  Transfer transfer(*files, rate, request.json);
  SegmentArrivals arrivals(transfer, **storage);
  std::optional<CopyResult> result;
  if (!has_base) {
    if (auto made = begin_copy(request.data, source); !made) return fail("clone", made.error());
    CopyOptions options = options_for(request.from);
    options.arrivals = &arrivals;
    options.source = source;
    auto copied = copy_store(transfer, **storage, options);
    if (!copied) return fail_clone(copied.error());
    result = std::move(*copied);
    say_base(request, transfer);
  }
  const auto lock = (*storage)->lock(std::string(kArrivingDirectory) + "/LOCK");
  if (!lock) return fail("clone", lock.error());
  Follower follower(request.from, request.connect);
  follower.start([&](const Learnt& learnt) { say_serving(request, learnt); },
                 [&](const std::string& trouble) {
                   fmt::print(stderr, "kachel clone: waiting: {}\n", trouble);
                 });
  if (auto filled = arrivals.fill(); !filled) return fail_clone(filled.error());
  transfer.tell(true);
  print(transfer, request, result ? &*result : nullptr);
  if (request.replaces) {
    if (auto drained = client.ask({"KACHEL.DRAIN", "ON"}); !drained) {
      return fail_clone(drained.error());
    }
  }
  const auto learnt = follower.finish();
  if (!learnt) return fail_clone(learnt.error());
  if (auto complete = await_the_rest(request, arrivals); !complete)
    return fail_clone(complete.error());
  if (auto ended = arrivals.end(); !ended) return fail_clone(ended.error());
  remove_snapshot(client, request, *snapshot);
  return say_caught_up(request, *learnt);
}

}  // namespace

int run_restore(const CopyRequest& request) {
  const auto rate = rate_of(request);
  if (!rate) return fail("restore", rate.error());
  auto source = open_directory_source(request.snapshot);
  if (!source) return fail("restore", source.error());
  std::error_code error;
  const std::string name = std::filesystem::weakly_canonical(request.snapshot, error).string();
  if (auto begun = begin_copy(request.data, name); !begun) return fail("restore", begun.error());
  auto storage = open_target(request.data);
  if (!storage) return fail("restore", storage.error());
  Transfer transfer(**source, *rate, request.json);
  const auto copied = copy_store(transfer, **storage, options_for(request.snapshot));
  if (!copied) return fail("restore", copied.error());
  transfer.tell(true);
  return finish(request, transfer, *copied);
}

int run_clone(const CopyRequest& request) {
  const auto rate = rate_of(request);
  if (!rate) return fail("clone", rate.error());
  auto client = RespClient::connect(request.from, kLongPatience);
  if (!client) return fail("clone", client.error());
  if (!request.connect.empty()) return clone_in_stages(request, *client, *rate);
  const auto before = unfinished_source(request.data);
  if (!before && before.error().code != ErrorCode::kNotFound) return fail("clone", before.error());
  const auto snapshot = snapshot_for(*client, request, before ? *before : "");
  if (!snapshot) return fail("clone", snapshot.error());
  if (auto begun = begin_copy(request.data, request.from + ' ' + *snapshot); !begun) {
    return fail("clone", begun.error());
  }
  auto storage = open_target(request.data);
  if (!storage) return fail("clone", storage.error());
  const auto source = server_source(*client, *snapshot);
  Transfer transfer(*source, *rate, request.json);
  const auto copied = copy_store(transfer, **storage, options_for(request.from));
  if (!copied) return fail_clone(copied.error());
  transfer.tell(true);
  remove_snapshot(*client, request, *snapshot);
  return finish(request, transfer, *copied);
}

}  // namespace kachel::tools
