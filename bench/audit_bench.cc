// What the audit log costs on a real disk: appends a second by entries a sync, bytes an entry,
// and the time to open, to prove and to check it all.
//
//   audit_bench DIRECTORY [ENTRIES]     the directory must be empty; a million entries by default
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "engine/audit/audit_log.h"
#include "engine/audit/verify_all.h"
#include "io/posix_storage.h"

namespace {

using namespace kachel;
using Clock = std::chrono::steady_clock;

constexpr const char* kOrigin = "kachel/00112233445566778899aabbccddeeff";
constexpr std::size_t kEntryBytes = 200;  // an erasure as JSON

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::vector<std::string> batch(std::uint64_t first, std::size_t count) {
  std::vector<std::string> entries;
  for (std::size_t i = 0; i < count; ++i) {
    entries.push_back("{\"entry\":" + std::to_string(first + i) + ",\"pad\":\"");
    entries.back().resize(kEntryBytes, '.');
  }
  return entries;
}

void append(audit::AuditLog& log, std::size_t group, std::uint64_t count) {
  const auto begin = Clock::now();
  for (std::uint64_t done = 0; done < count; done += group)
    log.append(batch(log.size(), group)).value();
  const double seconds = seconds_since(begin);
  std::printf("%6zu entries a sync: %9.0f entries/s, %7.0f syncs/s\n", group,
              static_cast<double>(count) / seconds, static_cast<double>(count / group) / seconds);
}

std::uint64_t bytes_below(const std::filesystem::path& directory) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

/// False when what has been written is not clean.
bool measure(io::Storage& storage, std::uint64_t size) {
  io::SystemRandom random;
  auto log = audit::AuditLog::open(storage, kOrigin, random).value();
  for (const std::size_t group : {1u, 16u, 256u})
    append(*log, group, group * std::clamp<std::uint64_t>(size / group / 4, 1, 256));
  const auto filling = Clock::now();
  while (log->size() < size)
    log->append(batch(log->size(), std::min<std::uint64_t>(10'000, size - log->size()))).value();
  std::printf("filled up to %llu entries in %.1f s\n", static_cast<unsigned long long>(log->size()),
              seconds_since(filling));
  append(*log, 1, 256);
  log->checkpoint().value();
  log.reset();

  auto begin = Clock::now();
  log = audit::AuditLog::open(storage, kOrigin, random).value();
  std::printf("open: %.2f ms\n", 1e3 * seconds_since(begin));
  begin = Clock::now();
  constexpr std::uint64_t kReceipts = 1000;
  for (std::uint64_t i = 0; i < kReceipts; ++i)
    static_cast<void>(log->receipt(i * 7919 % log->size()).value());
  std::printf("receipt: %.0f us each\n", 1e6 * seconds_since(begin) / kReceipts);
  const std::uint64_t bytes = bytes_below(storage.native_root());
  std::printf("%.1f bytes an entry of %zu\n",
              static_cast<double>(bytes) / static_cast<double>(log->size()), kEntryBytes);
  begin = Clock::now();
  const auto findings = audit::verify_all(storage, {kOrigin, {}, {}}).value();
  std::printf("verify_all: %.1f s, %s\n", seconds_since(begin),
              findings.is_clean() ? "clean" : "NOT CLEAN");
  return findings.is_clean();
}

}  // namespace

int main(int count, char** arguments) try {
  if (count < 2) {
    std::fputs("usage: audit_bench DIRECTORY [ENTRIES]\n", stderr);
    return 2;
  }
  const auto storage = io::open_posix_storage(arguments[1], {}).value();
  return measure(*storage, count > 2 ? std::stoull(arguments[2]) : 1'000'000) ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "audit_bench: %s\n", error.what());
  return 1;
}
