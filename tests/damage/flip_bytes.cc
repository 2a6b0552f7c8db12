// flip_bytes DIR COUNT [SEED [together]]: changes one byte of a store at a time, COUNT times, at
// places spread evenly over the kinds of files, and lets verification look at the whole store each
// time. Each change must be found, unless the byte holds nothing that any reader uses; those are
// named and counted. The store must be a copy: a run that is killed leaves its last change behind.
//
// With "together" one byte of a file of each kind is changed at once, which is how large stores are
// done in a reasonable time. A change counts as found then if a finding names its file; any other
// is tried again alone.
//
// Exit code 0: all were found, or hold nothing. 1: some were not. 2: the store was not clean
// before.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/inspect/verify.h"

namespace {

namespace fs = std::filesystem;
namespace inspect = kachel::inspect;

struct Outcome {
  bool is_found = false;
  std::string first;            // finding
  std::set<std::string> paths;  // of the findings
};

std::int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

Outcome look(const std::string& directory) {
  Outcome outcome;
  inspect::Inspection inspection({});
  inspection.on_finding([&](const inspect::Finding& finding) {
    if (finding.severity() == inspect::Severity::kNote) return;
    outcome.paths.insert(finding.path);
    if (!outcome.first.empty()) return;
    outcome.first = finding.path + ": " + finding.message;
  });
  const auto store = inspect::StoreView::open(directory, inspection);
  if (!store) return {true, store.error().message, {}};
  inspect::VerifyOptions options;
  options.now_ms = now_ms();
  const auto report = inspect::verify_store(**store, options, inspection);
  if (!report) return {true, report.error().message, {}};
  outcome.is_found = inspection.progress.findings > 0;
  if (!outcome.is_found && !report->is_complete(inspection.progress)) {
    outcome = {true, report->gaps.empty() ? "not all was checked" : report->gaps.front(), {}};
  }
  return outcome;
}

std::string kind_of(const std::string& path) {
  if (path.starts_with("segments/")) return "segment";
  if (path.starts_with("index/")) {
    if (path.ends_with(".sst")) return "index table";
    return path.substr(0, std::min(path.find('-'), path.size()));
  }
  if (path.starts_with("audit/tile/"))
    return path.find("entries") != std::string::npos ? "audit bundle" : "audit tile";
  return path;
}

/// Why nobody misses this byte; empty when somebody should.
std::string holds_nothing(const std::string& path, std::uint64_t offset, std::uint64_t size) {
  if (path == "LOCK") return "the process id of who ran last, for messages";
  if (path == "index/IDENTITY" || path.starts_with("index/OPTIONS-")) {
    return "what RocksDB writes for people, and never reads here";
  }
  // A table ends in its footer: checksum type (1), two handles and padding (40), version (4),
  // magic.
  if (path.ends_with(".sst") && offset >= size - 53 + 1 && offset < size - 12) {
    return "padding in the footer of an index table";
  }
  return "";
}

class FlippedByte {
 public:
  FlippedByte(const std::string& path, std::uint64_t offset, unsigned char mask)
      : path_(path), offset_(offset), mask_(mask) {
    flip();
  }
  ~FlippedByte() { flip(); }

 private:
  void flip() {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset_));
    const int was = file.get();
    file.seekp(static_cast<std::streamoff>(offset_));
    file.put(static_cast<char>(was ^ mask_));
    if (!file.flush()) {
      std::fprintf(stderr, "flip_bytes: can't change %s\n", path_.c_str());
      std::exit(2);
    }
  }
  const std::string path_;
  const std::uint64_t offset_;
  const unsigned char mask_;
};

struct Change {
  std::string kind;
  std::string path;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;  // of the file
  unsigned char mask = 0;
};

struct Tally {
  std::uint64_t flips = 0;
  std::uint64_t found = 0;
  std::uint64_t nothing = 0;
};

class Flips {
 public:
  Flips(std::string directory, std::uint64_t seed)
      : directory_(std::move(directory)), random_(seed) {
    for (const auto& entry : fs::recursive_directory_iterator(directory_)) {
      if (!entry.is_regular_file() || entry.file_size() == 0) continue;
      const std::string path = fs::relative(entry.path(), directory_).string();
      kinds_[kind_of(path)].push_back(path);
    }
  }

  std::vector<std::string> kinds() const {
    std::vector<std::string> names;
    for (const auto& [name, files] : kinds_)
      names.push_back(name);
    return names;
  }

  Change draw(const std::string& kind) {
    Change change;
    change.kind = kind;
    const std::vector<std::string>& files = kinds_[kind];
    change.path = files[random_() % files.size()];
    change.size = fs::file_size(directory_ + "/" + change.path);
    change.offset = random_() % change.size;
    change.mask = static_cast<unsigned char>(random_() % 2 == 0 ? 1u << (random_() % 8)
                                                                : 1 + random_() % 255);
    return change;
  }

  void try_alone(const Change& change) {
    const FlippedByte flipped(directory_ + "/" + change.path, change.offset, change.mask);
    count(change, look(directory_).is_found);
  }

  void try_together(const std::vector<Change>& changes) {
    std::vector<Change> again;
    {
      std::vector<std::unique_ptr<FlippedByte>> flipped;
      for (const Change& change : changes) {
        flipped.push_back(std::make_unique<FlippedByte>(directory_ + "/" + change.path,
                                                        change.offset, change.mask));
      }
      const Outcome outcome = look(directory_);
      for (const Change& change : changes) {
        if (outcome.paths.contains(change.path)) {
          count(change, true);
        } else {
          again.push_back(change);
        }
      }
    }
    for (const Change& change : again) {
      // Nobody reads it: no need to look at all of the store to see that.
      if (!holds_nothing(change.path, change.offset, change.size).empty()) {
        count(change, false);
      } else {
        try_alone(change);
      }
    }
  }

  /// How many were missed.
  std::uint64_t print() const {
    std::printf("%-22s %8s %8s %14s\n", "kind of file", "changed", "found", "holds nothing");
    for (const auto& [name, tally] : tallies_) {
      std::printf("%-22s %8llu %8llu %14llu\n", name.c_str(),
                  static_cast<unsigned long long>(tally.flips),
                  static_cast<unsigned long long>(tally.found),
                  static_cast<unsigned long long>(tally.nothing));
    }
    for (const auto& [why, times] : nothing_)
      std::printf("holds nothing: %llu times %s\n", static_cast<unsigned long long>(times),
                  why.c_str());
    std::printf("%llu changes, %llu missed\n", static_cast<unsigned long long>(changes_),
                static_cast<unsigned long long>(missed_));
    return missed_;
  }

 private:
  void count(const Change& change, bool is_found) {
    ++changes_;
    Tally& tally = tallies_[change.kind];
    ++tally.flips;
    if (is_found) {
      ++tally.found;
      return;
    }
    const std::string why = holds_nothing(change.path, change.offset, change.size);
    if (!why.empty()) {
      ++tally.nothing;
      ++nothing_[why];
      return;
    }
    ++missed_;
    std::printf("MISSED: %s offset %llu of %llu, xor 0x%02x\n", change.path.c_str(),
                static_cast<unsigned long long>(change.offset),
                static_cast<unsigned long long>(change.size), change.mask);
    std::fflush(stdout);
  }

  const std::string directory_;
  std::mt19937_64 random_;
  std::map<std::string, std::vector<std::string>> kinds_;  // paths
  std::map<std::string, Tally> tallies_;
  std::map<std::string, std::uint64_t> nothing_;
  std::uint64_t changes_ = 0;
  std::uint64_t missed_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: flip_bytes DIR COUNT [SEED [together]]\n");
    return 2;
  }
  const std::string directory = argv[1];
  const std::uint64_t count = std::strtoull(argv[2], nullptr, 10);
  const std::uint64_t seed = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1;
  const bool together = argc > 4 && std::string(argv[4]) == "together";
  if (const Outcome clean = look(directory); clean.is_found) {
    std::fprintf(stderr, "flip_bytes: not clean before: %s\n", clean.first.c_str());
    return 2;
  }
  Flips flips(directory, seed);
  const std::vector<std::string> kinds = flips.kinds();
  std::vector<Change> changes;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string& kind = kinds[i % kinds.size()];
    const Change change = flips.draw(kind);
    // Without the key nothing else is looked at.
    if (!together || kind == "key") {
      flips.try_alone(change);
      continue;
    }
    changes.push_back(change);
    if (changes.size() + 1 < kinds.size() && i + 1 < count) continue;
    flips.try_together(changes);
    changes.clear();
  }
  if (!changes.empty()) flips.try_together(changes);
  return flips.print() == 0 ? 0 : 1;
}
