#include "tools/online_check.h"

#include <boost/json.hpp>
#include <chrono>
#include <filesystem>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/exit_codes.h"
#include "tools/resp_client.h"

namespace kachel::tools {
namespace {

namespace json = boost::json;
// Should this process not come to delete it.
constexpr std::chrono::hours kLongest{12};

int fail(const std::string& what, const std::string& message, int code) {
  fmt::print(stderr, "kachel {}: {}\n", what, message);
  return code;
}

/// Clients come first: the processor and the device are for what they leave.
void yield_to_others() {
  constexpr int kOneProcess = 1;  // IOPRIO_WHO_PROCESS
  constexpr int kIdle = 3 << 13;  // IOPRIO_CLASS_IDLE
  constexpr int kLeast = 19;
  // Where it is refused the check is only less polite.
  (void)::setpriority(PRIO_PROCESS, 0, kLeast);
  (void)::syscall(SYS_ioprio_set, kOneProcess, 0, kIdle);
}

/// Where the answer to KACHEL.SNAPSHOT CREATE says that it is; empty when it does not.
std::string directory_in(const std::string& answer) {
  json::error_code error;
  const json::value value = json::parse(answer, error);
  const json::object* object = value.if_object();
  const json::value* directory = object != nullptr ? object->if_contains("directory") : nullptr;
  return directory != nullptr && directory->is_string() ? std::string(directory->get_string())
                                                        : std::string();
}

}  // namespace

int run_on_snapshot(const std::string& endpoint, const std::string& what,
                    const std::function<int(const std::string& directory)>& check) {
  auto client = RespClient::connect(endpoint, kLongPatience);
  if (!client) return fail(what, client.error().message, kExitNoStore);
  using std::chrono::milliseconds;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::string name =
      fmt::format("{}-{}", what, std::chrono::duration_cast<milliseconds>(now).count());
  const auto made = client->ask(
      {"KACHEL.SNAPSHOT", "CREATE", name, "PX", std::to_string(milliseconds(kLongest).count())});
  if (!made) return fail(what, endpoint + ": " + made.error().message, kExitIncomplete);
  const std::string directory = directory_in(*made);
  std::error_code error;
  int code = kExitIncomplete;
  if (directory.empty() || !std::filesystem::exists(directory + "/superblock", error)) {
    fail(what,
         fmt::format("cannot read {}: run it on the host of {}, as a user who may read the data "
                     "directory",
                     directory.empty() ? "the snapshot" : directory, endpoint),
         kExitIncomplete);
  } else {
    yield_to_others();
    code = check(directory);
  }
  auto again =
      RespClient::connect(endpoint, kLongPatience);  // the first may have been idle for long
  const auto removed =
      again ? again->ask({"KACHEL.SNAPSHOT", "DELETE", name}) : Result<std::string>(again.error());
  if (!removed) {
    fail(what, fmt::format("snapshot {} stays until it expires: {}", name, removed.error().message),
         0);
  }
  return code;
}

}  // namespace kachel::tools
