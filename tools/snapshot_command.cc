#include "tools/snapshot_command.h"

#include <boost/json.hpp>
#include <chrono>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "io/units.h"
#include "tools/exit_codes.h"
#include "tools/resp_client.h"

namespace kachel::tools {
namespace {

namespace json = boost::json;

int fail(const std::string& what, const Error& error) {
  fmt::print(stderr, "kachel snapshot: {}: {}\n", what, error.message);
  return error.code == ErrorCode::kInvalidArgument ? kExitUsage : kExitIncomplete;
}

std::string moment(const json::value& ms) {
  const auto seconds = ms.to_number<std::int64_t>() / 1000;
  return fmt::format("{:%Y-%m-%d %H:%M:%S}Z", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

void print(const json::object& snapshot) {
  fmt::print("{}\n", std::string_view(snapshot.at("name").as_string()));
  const std::string_view directory = snapshot.at("directory").as_string();
  if (!directory.empty()) fmt::print("  in       {}\n", directory);
  fmt::print("  made     {}, through sequence {}\n", moment(snapshot.at("created_ms")),
             snapshot.at("through").to_number<std::uint64_t>());
  fmt::print("  goes     {}\n", moment(snapshot.at("expires_ms")));
  fmt::print("  has      {} segments, {}{}\n", snapshot.at("segments").to_number<std::uint64_t>(),
             format_size(snapshot.at("bytes").to_number<std::uint64_t>()),
             snapshot.at("has_index").as_bool() ? ", and the index" : "; the index has to be made");
  const auto left = snapshot.at("segments_left").to_number<std::uint64_t>();
  if (left > 0) fmt::print("  left     {} segments have left it: they were due\n", left);
  fmt::print("  costs    {} that the store itself has no more\n",
             format_size(snapshot.at("own_bytes").to_number<std::uint64_t>()));
}

/// Asks, and prints the answer: as it is, or one snapshot after the other.
int ask(const std::string& endpoint, const std::vector<std::string>& command, bool as_json) {
  auto client = RespClient::connect(endpoint, kLongPatience);
  if (!client) return fail(endpoint, client.error());
  const auto answer = client->ask(command);
  if (!answer) return fail(endpoint, answer.error());
  if (as_json) {
    fmt::print("{}\n", *answer);
    return kExitClean;
  }
  try {
    const json::value value = json::parse(*answer);
    if (value.is_object()) {
      print(value.as_object());
    } else {
      for (const json::value& item : value.as_array())
        print(item.as_object());
      if (value.as_array().empty()) fmt::print("there are no snapshots\n");
    }
  } catch (const std::exception&) {
    return fail(endpoint, {ErrorCode::kForeign, "the answer is not kacheld's"});
  }
  return kExitClean;
}

}  // namespace

int run_snapshot_create(const std::string& endpoint, const SnapshotRequest& request) {
  std::vector<std::string> command{"KACHEL.SNAPSHOT", "CREATE", request.name};
  if (!request.expires.empty()) {
    const auto ms = parse_duration_ms(request.expires);
    if (!ms || *ms <= 0) {
      return fail("--expires",
                  ms ? Error{ErrorCode::kInvalidArgument, "must be above 0"} : ms.error());
    }
    command.insert(command.end(), {"PX", std::to_string(*ms)});
  }
  return ask(endpoint, command, request.json);
}

int run_snapshot_list(const std::string& endpoint, const SnapshotRequest& request) {
  return ask(endpoint, {"KACHEL.SNAPSHOT", "LIST"}, request.json);
}

int run_snapshot_delete(const std::string& endpoint, const SnapshotRequest& request) {
  auto client = RespClient::connect(endpoint, kLongPatience);
  if (!client) return fail(endpoint, client.error());
  const auto done = client->ask({"KACHEL.SNAPSHOT", "DELETE", request.name});
  if (!done) return fail(endpoint, done.error());
  return kExitClean;
}

}  // namespace kachel::tools
