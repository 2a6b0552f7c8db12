// Verification: which files there are, and which of them nobody knows.
#include <algorithm>
#include <random>

#include "engine/arrivals.h"
#include "engine/audit/files.h"
#include "engine/audit/history.h"
#include "engine/audit/tail.h"
#include "engine/audit/tiles.h"
#include "engine/format/snapshot_manifest.h"
#include "engine/hot_manifest_reader.h"
#include "engine/hot_set.h"
#include "engine/inspect/verifier.h"
#include "engine/snapshots.h"
#include "engine/tenants.h"

namespace kachel::inspect {
namespace {

/// "tile/entries/x001/067" or "tile/0/067", below audit/.
bool is_tile_path(std::string_view path) {
  if (!path.starts_with("audit/tile/")) return false;
  path.remove_prefix(std::string_view("audit/tile/").size());
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view level = path.substr(0, slash);
  const bool is_entries = level == "entries";
  if (!is_entries && (level.size() != 1 || level[0] < '0' || level[0] > '7')) return false;
  std::uint64_t index = 0;
  for (const char c : path.substr(slash + 1)) {
    if (c == 'x' || c == '/') continue;
    if (c < '0' || c > '9' || index > (UINT64_MAX >> 8)) return false;
    index = index * 10 + static_cast<std::uint64_t>(c - '0');
  }
  const std::string expected = is_entries
                                   ? audit::bundle_path(index)
                                   : audit::tile_path(static_cast<unsigned>(level[0] - '0'), index);
  return expected.ends_with(path.substr(slash));
}

bool is_audit_path(const std::string& path) {
  return path == audit::kSigningKeyPath || path == audit::kVerifierKeyPath ||
         path == audit::kCheckpointPath || path == audit::kHistoryPath ||
         path == audit::kTailPath || is_tile_path(path);
}

}  // namespace

Result<std::uint64_t> Verifier::size_of(const std::string& path) const {
  auto file = store_.storage().open(path, io::OpenMode::kRead);
  if (!file) return file.error();
  return (*file)->size();
}

Result<void> Verifier::list_files() {
  if (auto done = list_root(); !done) return done;
  if (auto done = list_segments(); !done) return done;
  if (const auto is_there = store_.storage().exists("audit"); is_there && *is_there) {
    has_audit_ = true;
    if (auto done = list_audit("audit"); !done) return done;
  }
  list_quarantine();
  check_hot_set();
  return {};
}

void Verifier::check_hot_set() {
  const auto names = store_.storage().list(kHotDirectory);
  if (!names) return;  // there is none
  for (const std::string& name : *names) {
    const std::string path = std::string(kHotDirectory) + "/" + name;
    if (path == kHotManifestPath) continue;
    const bool is_ours = path == std::string(kHotManifestPath) + ".new";
    report({is_ours ? FindingCode::kLeftover : FindingCode::kUnknownFile,
            path,
            {},
            0,
            is_ours ? "what a note of the hot tier that was cut short has left"
                    : "no part of Kachel has made this"});
  }
  const auto manifest = HotManifestReader::open(store_.storage(), store_.store_id());
  if (!manifest) {
    if (manifest.error().code == ErrorCode::kNotFound) return;
    report({FindingCode::kHotManifest, kHotManifestPath, {}, 0, manifest.error().message});
    return;
  }
  while ((*manifest)->has_more()) {
    if (const auto items = (*manifest)->next(); !items) {
      report({FindingCode::kHotManifest, kHotManifestPath, {}, 0, items.error().message});
    }
  }
}

Result<void> Verifier::list_root() {
  const auto names = store_.storage().list("");
  if (!names) return names.error();
  for (const std::string& name : *names) {
    static constexpr std::string_view kKnown[] = {
        "LOCK",  "key",        "superblock", "segments", "index",
        "audit", "quarantine", "lost+found", "hot",      kArrivingDirectory};
    if (std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown)) continue;
    if (name == "tenants") {
      if (const auto known = Tenants::load(store_.storage()); !known) {
        report({FindingCode::kTenantNames, name, {}, 0, known.error().message});
      }
      continue;
    }
    if (name == kSnapshotsDirectory) {
      list_snapshots();
      continue;
    }
    if (name == format::kSnapshotManifestName) continue;  // load_snapshot_manifest() was there
    if (name == "superblock.new" || name == "tenants.new" || name == "SYNC_FAILED") {
      report({FindingCode::kLeftover,
              name,
              {},
              0,
              name == "SYNC_FAILED" ? "a sync has failed, and the next start writes anew what it "
                                      "may have lost"
                                    : "what a creation that was cut short has left"});
      continue;
    }
    report({FindingCode::kUnknownFile, name, {}, 0, "no part of Kachel has made this"});
  }
  return {};
}

/// They are stores of their own. That nothing is left of what was erased is not shown without them.
void Verifier::list_snapshots() {
  const auto names = store_.storage().list(kSnapshotsDirectory);
  if (!names) {
    report(
        {FindingCode::kUnreadable, std::string(kSnapshotsDirectory), {}, 0, names.error().message});
    return;
  }
  for (const std::string& name : *names) {
    const std::string path = std::string(kSnapshotsDirectory) + '/' + name;
    report({FindingCode::kSnapshot, path, {}, 0, "a copy of the store, which is not checked"});
    if (options_.scope == VerifyScope::kErasure) {
      cannot(path + " is a copy of the store, and was not looked into");
    }
  }
}

/// Before all else, since it tells which findings are none.
void Verifier::load_snapshot_manifest() {
  const std::string path(format::kSnapshotManifestName);
  const auto is_there = store_.storage().exists(path);
  if (is_there && !*is_there) return;
  const auto text = audit::read_file(store_.storage(), path, format::kMaxSnapshotManifestBytes);
  auto manifest = text ? format::decode_snapshot_manifest(std::as_bytes(std::span(*text)))
                       : Result<format::SnapshotManifest>(text.error());
  if (!manifest) {
    report({FindingCode::kSnapshotManifest, path, {}, 0, manifest.error().message});
  } else if (manifest->store_id != store_.store_id()) {
    report({FindingCode::kSnapshotManifest, path, {}, 0, "it is another store's"});
  } else {
    snapshot_ = std::move(*manifest);
  }
}

std::int64_t Verifier::now_ms() const {
  using namespace std::chrono;
  return options_.now_ms + duration_cast<milliseconds>(steady_clock::now() - began_).count();
}

/// Of a part of a snapshot that is not there: empty when it should be.
std::string Verifier::why_it_has_left(const std::string& path) const {
  if (!snapshot_) return {};
  const auto is_there = [&](const std::string& name) {
    const auto exists = store_.storage().exists(name);
    return !exists || *exists;
  };
  if (!is_there(std::string(format::kSnapshotManifestName))) {
    return "the snapshot has gone while it was read: it expired, was deleted, or made room";
  }
  const std::int64_t by_ms = now_ms() + kSnapshotsLeaveAheadMs;
  if (path.starts_with("index") || path.starts_with(kHotDirectory)) {
    // Its files go one by one, so whatever is wrong with it now may be that.
    if (snapshot_->derived_due_ms > by_ms) return {};
    return "the index has left the snapshot by its deadline: another snapshot has one";
  }
  for (const format::SnapshotSegment& segment : snapshot_->segments) {
    if (segment_path(segment.id) != path) continue;
    if (is_there(path) || segment.due_ms > by_ms) return {};
    return "segments have left the snapshot by their deadlines";
  }
  return {};
}

std::string Verifier::why_something_has_left() const {
  if (std::string why = why_it_has_left("index"); !why.empty()) return why;
  for (const SegmentState& state : segments_)
    if (std::string why = why_it_has_left(segment_path(state.id)); !why.empty()) return why;
  return {};
}

void Verifier::report(Finding finding) {
  const std::string why = why_it_has_left(finding.path);
  if (why.empty()) return inspection_.report(std::move(finding));
  if (std::find(report_.gaps.begin(), report_.gaps.end(), why) == report_.gaps.end()) cannot(why);
}

bool Verifier::is_selected(std::uint64_t id, std::int64_t created_ms) const {
  const Selection& by = options_.selection;
  if (by.since_ms && created_ms < *by.since_ms) return false;
  if (by.until_ms && created_ms >= *by.until_ms) return false;
  if (by.parts != 0 && id % by.parts != by.part % by.parts) return false;
  if (!by.share) return true;
  std::mt19937_64 random(by.seed ^ (id * 0x9e3779b97f4a7c15ULL));
  random.discard(4);
  return static_cast<double>(random() >> 11) * 0x1.0p-53 < *by.share;
}

Result<void> Verifier::list_segments() {
  const auto names = store_.storage().list("segments");
  if (!names) {
    report({FindingCode::kUnreadable, "segments", {}, 0, names.error().message});
    cannot("segments/ can't be listed");
    return {};
  }
  for (const std::string& name : *names) {
    const auto id = parse_segment_name(name);
    if (!id || segment_path(*id) != "segments/" + name) {
      report({FindingCode::kUnknownFile, "segments/" + name, {}, 0, "is no segment's name"});
      continue;
    }
    SegmentState state;
    state.id = *id;
    segments_.push_back(state);
  }
  std::sort(segments_.begin(), segments_.end(),
            [](const SegmentState& a, const SegmentState& b) { return a.id < b.id; });
  if (!snapshot_) return {};
  for (const format::SnapshotSegment& segment : snapshot_->segments) {
    if (find(segment.id) != nullptr) continue;
    report({FindingCode::kSegmentMissing,
            segment_path(segment.id),
            {},
            0,
            "is not there, and the snapshot's manifest names it"});
  }
  return {};
}

Result<void> Verifier::list_audit(const std::string& directory) {
  const auto names = store_.storage().list(directory);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    const std::string path = std::string(directory).append("/").append(name);
    const auto bytes = size_of(path);
    if (!bytes && store_.storage().list(path)) {
      if (auto below = list_audit(path); !below) return below;
    } else if (path.ends_with(".new")) {
      report({FindingCode::kLeftover, path, {}, 0, "what a change that was cut short has left"});
    } else if (!is_audit_path(path)) {
      report({FindingCode::kUnknownFile, path, {}, 0, "no part of Kachel has made this"});
    }
  }
  return {};
}

void Verifier::list_quarantine() {
  const auto names = store_.storage().list("quarantine");
  if (!names) return;
  for (const std::string& name : *names) {
    report({FindingCode::kQuarantined,
            "quarantine/" + name,
            {},
            0,
            "a segment was set aside here, and is not checked"});
  }
}

}  // namespace kachel::inspect
