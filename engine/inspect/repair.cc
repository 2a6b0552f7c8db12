#include "engine/inspect/repair.h"

#include <algorithm>
#include <map>

#include "engine/index_mark.h"
#include "engine/inspect/entries.h"

namespace kachel::inspect {
namespace {

constexpr std::string_view kAside = "quarantine";

bool condemns_index(FindingCode code) {
  switch (code) {
    case FindingCode::kIndexFile:
    case FindingCode::kIndexItem:
    case FindingCode::kRowWithoutRecord:
    case FindingCode::kRecordWithoutRow:
    case FindingCode::kRowDiffers:
      return true;
    default:
      return false;
  }
}

/// A start passes over single records by itself; these it would trip over, or believe.
bool condemns_segment(FindingCode code) {
  return code == FindingCode::kForeignSegment || code == FindingCode::kMisplacedSegment ||
         code == FindingCode::kTableDiffers;
}

bool is_for_hands(FindingCode code) {
  switch (code) {
    case FindingCode::kSuperblock:
    case FindingCode::kKeyFile:
    case FindingCode::kSegmentMissing:
    case FindingCode::kSequenceMissing:
    case FindingCode::kBeyondLimit:
    case FindingCode::kAuditLog:
    case FindingCode::kAuditLogMissing:
    case FindingCode::kUnknownFile:
    case FindingCode::kUnreadable:
      return true;
    default:
      return false;
  }
}

Result<void> weigh(const StoreView& store, const EntryReader& entries, SegmentLoss& loss) {
  const OnFinding nobody = [](const Finding&) {};
  auto segment = open_segment(store, loss.id, nobody);
  if (!segment) return segment.error();
  if (!*segment) return {};  // not this store's: nothing of it is lost
  Walk walk;
  walk.check_values = false;
  walk.on_finding = nobody;
  walk.on_bytes = [](std::uint64_t) {};
  walk.go_on = [] { return Result<void>(); };
  walk.on_record = [&](const WalkedRecord& record) {
    ++loss.records;
    using enum format::RecordType;
    const format::RecordMeta& meta = record.meta;
    if (meta.type == kErase || meta.type == kFence || meta.type == kScopeFence ||
        meta.type == kHold || meta.type == kRelease) {
      ++loss.tombstones;
    }
    if (meta.type != kPut || !store.mac_key()) return;
    const auto put = format::summarize(meta, record.offset, record.size, *store.mac_key());
    if (entries.state_of(put, loss.id) == EntryState::kLive) ++loss.live_entries;
  };
  const auto walked = walk_records(store, **segment, walk);
  return walked ? Result<void>() : walked.error();
}

}  // namespace

Result<RepairPlan> plan_repair(const StoreView& store, const std::vector<Finding>& findings) {
  RepairPlan plan;
  std::map<std::uint64_t, std::string> aside;
  for (const Finding& finding : findings) {
    if (condemns_index(finding.code)) plan.rebuild_index.push_back(finding.message);
    if (is_for_hands(finding.code)) {
      plan.by_hand.push_back(finding.path + ": " + finding.message + ": " +
                             std::string(kind_of(finding.code).remedy));
    }
    if (!condemns_segment(finding.code)) continue;
    const auto id =
        parse_segment_name(std::string_view(finding.path).substr(finding.path.find('/') + 1));
    if (id) aside.emplace(*id, finding.message);
  }
  if (!aside.empty()) plan.rebuild_index.push_back("segments go from under it");
  const EntryReader entries(store, 0);
  for (const auto& [id, why] : aside) {
    SegmentLoss loss{id, why};
    if (const auto file = store.storage().open(segment_path(id), io::OpenMode::kRead)) {
      const auto size = (*file)->size();
      if (!size) return size.error();
      loss.file_bytes = *size;
    }
    if (auto weighed = weigh(store, entries, loss); !weighed) return weighed.error();
    plan.segments.push_back(std::move(loss));
  }
  return plan;
}

Result<void> carry_out(io::Storage& storage, const RepairPlan& plan) {
  // First, so that no index speaks of segments that are on their way out.
  if (!plan.rebuild_index.empty()) {
    if (auto made = storage.create_directory("index"); !made) return made;
    if (auto synced = storage.sync_directory(""); !synced) return synced;
    if (auto marked = condemn_index(storage); !marked) return marked;
  }
  if (plan.segments.empty()) return {};
  if (auto made = storage.create_directory(kAside); !made) return made;
  for (const SegmentLoss& loss : plan.segments) {
    const std::string path = segment_path(loss.id);
    const std::string to = std::string(kAside) + path.substr(path.find('/'));
    const auto is_there = storage.exists(to);
    if (!is_there) return is_there.error();
    if (*is_there) {
      return Error{ErrorCode::kAlreadyExists, to + " is there already: move it away first"};
    }
    if (auto moved = storage.rename(path, to); !moved) return moved;
  }
  // First where they are now, or a power cut could leave them in neither place.
  for (const std::string_view directory :
       {kAside, std::string_view(), std::string_view("segments")})
    if (auto synced = storage.sync_directory(directory); !synced) return synced;
  return {};
}

}  // namespace kachel::inspect
