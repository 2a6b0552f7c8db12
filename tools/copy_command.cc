#include "tools/copy_command.h"

#include <boost/json.hpp>
#include <chrono>
#include <filesystem>
#include <fmt/format.h>

#include "engine/audit/audit_log.h"
#include "engine/audit/event.h"
#include "engine/inspect/store_view.h"
#include "io/clock.h"
#include "io/posix_storage.h"
#include "io/random.h"
#include "io/units.h"
#include "tools/copy_source.h"
#include "tools/exit_codes.h"
#include "tools/progress_text.h"
#include "tools/resp_client.h"
#include "tools/store_check.h"
#include "tools/store_copier.h"

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
Result<void> record(const std::string& data, const format::SnapshotManifest& manifest,
                    const std::string& source) {
  auto storage = io::open_posix_storage(data, {});
  if (!storage) return storage.error();
  const auto lock = (*storage)->lock("LOCK");
  if (!lock) return lock.error();
  io::SystemRandom random;
  auto log = audit::AuditLog::open(**storage, inspect::audit_origin(manifest.store_id), random);
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

void print(const CopyResult& result, const CopyRequest& request) {
  const std::uint64_t rate = bytes_per_second(result.copied_bytes, result.duration_ms);
  if (request.json) {
    fmt::print("{}\n", json::serialize(json::object{{"type", "copied"},
                                                    {"data", request.data},
                                                    {"files", result.files},
                                                    {"bytes", result.bytes},
                                                    {"copied_bytes", result.copied_bytes},
                                                    {"bytes_per_s", rate},
                                                    {"through", result.manifest.through},
                                                    {"snapshot_ms", result.manifest.created_ms}}));
  } else {
    fmt::print("copied    {} files, {} ({} of it now, {}/s)\n", result.files,
               format_size(result.bytes), format_size(result.copied_bytes), format_size(rate));
  }
  std::fflush(stdout);
}

/// What comes after the copying, the same for both.
int finish(const char* command, const CopyRequest& request, const CopyResult& result,
           const std::string& source) {
  print(result, request);
  if (auto recorded = record(request.data, result.manifest, source); !recorded) {
    return fail(command, recorded.error());
  }
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
Result<std::string> snapshot_for(RespClient& client, const CopyRequest& request) {
  const std::string prefix = request.from + ' ';
  auto before = unfinished_source(request.data);
  if (!before && before.error().code != ErrorCode::kNotFound) return before.error();
  if (before && before->starts_with(prefix)) {
    std::string name = before->substr(prefix.size());
    if (client.ask({"KACHEL.SNAPSHOT", "FILES", name})) return name;
  }
  std::string name = clone_name();
  const auto made = client.ask({"KACHEL.SNAPSHOT", "CREATE", name});
  if (!made) return made.error();
  return name;
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
  const auto copied = copy_store(**source, {request.data, *rate, request.json});
  if (!copied) return fail("restore", copied.error());
  return finish("restore", request, *copied, request.snapshot);
}

int run_clone(const CopyRequest& request) {
  const auto rate = rate_of(request);
  if (!rate) return fail("clone", rate.error());
  auto client = RespClient::connect(request.from, kLongPatience);
  if (!client) return fail("clone", client.error());
  const auto snapshot = snapshot_for(*client, request);
  if (!snapshot) return fail("clone", snapshot.error());
  if (auto begun = begin_copy(request.data, request.from + ' ' + *snapshot); !begun) {
    return fail("clone", begun.error());
  }
  const auto source = server_source(*client, *snapshot);
  const auto copied = copy_store(*source, {request.data, *rate, request.json});
  if (!copied) {
    Error error = copied.error();
    error.message += "; the same command goes on from here";
    return fail("clone", error);
  }
  // It would go by itself.
  if (auto removed = client->ask({"KACHEL.SNAPSHOT", "DELETE", *snapshot}); !removed) {
    fmt::print(stderr, "kachel clone: snapshot {} stays on {}: {}\n", *snapshot, request.from,
               removed.error().message);
  }
  return finish("clone", request, *copied, request.from);
}

}  // namespace kachel::tools
