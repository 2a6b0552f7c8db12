#include "server/cpus.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <dirent.h>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <sched.h>

namespace kachel::server {
namespace {

// With more the scheduler finds one that is idle.
constexpr std::size_t kMostToShare = 16;

Error malformed() {
  return {ErrorCode::kInvalidArgument, "write auto, any, or CPUs such as 0-3,8"};
}

std::optional<unsigned> parse_cpu(std::string_view text) {
  unsigned cpu = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cpu);
  if (error != std::errc() || end != text.data() + text.size() || cpu >= CPU_SETSIZE) {
    return std::nullopt;
  }
  return cpu;
}

Result<void> confine(pid_t thread, const CpuList& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const unsigned cpu : cpus)
    CPU_SET(cpu, &set);
  if (::sched_setaffinity(thread, sizeof(set), &set) == 0) return {};
  return os_error(errno, "sched_setaffinity");
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

}  // namespace

Result<WorkerCpus> parse_worker_cpus(std::string_view text) {
  if (text == "auto") return WorkerCpus{};
  WorkerCpus wanted{false, {}};
  if (text == "any") return wanted;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    const std::size_t dash = part.find('-');
    const auto first = parse_cpu(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_cpu(part.substr(dash + 1));
    if (!first || !last || *last < *first) return malformed();
    for (unsigned cpu = *first; cpu <= *last; ++cpu)
      wanted.cpus.push_back(cpu);
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  std::sort(wanted.cpus.begin(), wanted.cpus.end());
  wanted.cpus.erase(std::unique(wanted.cpus.begin(), wanted.cpus.end()), wanted.cpus.end());
  return wanted;
}

Result<CpuShares> share_cpus(const CpuList& allowed, unsigned workers, const WorkerCpus& wanted) {
  CpuShares shares;
  if (wanted.automatic) {
    if (allowed.size() <= workers || allowed.size() > kMostToShare) return shares;
    shares.workers.assign(allowed.begin(), allowed.begin() + workers);
  } else {
    shares.workers = wanted.cpus;
    if (shares.workers.empty()) return shares;
    if (!std::includes(allowed.begin(), allowed.end(), shares.workers.begin(),
                       shares.workers.end())) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("of these CPUs ({}) this process may use only {}",
                               describe(shares.workers), describe(allowed))};
    }
  }
  std::set_difference(allowed.begin(), allowed.end(), shares.workers.begin(), shares.workers.end(),
                      std::back_inserter(shares.others));
  return shares;
}

CpuList allowed_cpus() {
  CpuList cpus;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return cpus;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
}

Result<void> confine_this_thread(const CpuList& cpus) {
  return cpus.empty() ? Result<void>() : confine(0, cpus);
}

Result<void> confine_all_threads(const CpuList& cpus) {
  if (cpus.empty()) return {};
  const std::unique_ptr<DIR, CloseDirectory> tasks(::opendir("/proc/self/task"));
  if (!tasks) return os_error(errno, "/proc/self/task");
  while (const dirent* entry = ::readdir(tasks.get())) {
    pid_t thread = 0;
    const std::string_view name = entry->d_name;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), thread);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    auto confined = confine(thread, cpus);
    if (!confined && confined.error().os_error != ESRCH) return confined;
  }
  return {};
}

std::string describe(const CpuList& cpus) {
  std::string text;
  for (std::size_t i = 0; i < cpus.size();) {
    std::size_t last = i;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1)
      ++last;
    if (!text.empty()) text += ',';
    text += last == i ? fmt::format("{}", cpus[i]) : fmt::format("{}-{}", cpus[i], cpus[last]);
    i = last + 1;
  }
  return text;
}

}  // namespace kachel::server
