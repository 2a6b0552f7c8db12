#include "engine/inspect/finding.h"

#include <array>

namespace kachel::inspect {
namespace {

using enum Severity;

constexpr std::string_view kOneEntry = "this entry: reads of it are misses";
constexpr std::string_view kNothing = "nothing";
constexpr std::string_view kRebuild =
    "start kacheld, or run `kachel repair`: the index is rebuilt from the segments";
constexpr std::string_view kQuarantine =
    "run `kachel repair` to set the segment aside, or restore it from a snapshot";
constexpr std::string_view kDisk = "look at the disk (smartctl, dmesg) before anything else";
constexpr std::string_view kServe =
    "start kacheld and let it reclaim; keep it running until nothing is overdue";

// In the order of FindingCode.
constexpr std::array<FindingKind, kFindingCodes> kFindingKinds{{
    {"unknown_file", kDamage, "nothing of the store; it may hold copies of data",
     "find out who put it there, and move it out of the data directory"},
    {"leftover", kNote, kNothing, "nothing: the next start removes it"},
    {"quarantined", kNote, "what was in it, unless it lies elsewhere too",
     "look at it, then delete it: it may hold data that was erased since"},
    {"unreadable", kDamage, "whatever lies there", kDisk},
    {"superblock_copy", kDamage, "nothing while the other copy is whole",
     "start kacheld: it writes both copies anew"},
    {"superblock", kDamage, "the store does not start without a whole copy",
     "restore the file `superblock` from a snapshot of this store"},
    {"key_file", kDamage, "no entry can be found without it",
     "restore the file `key` from a backup of this store"},
    {"key_readable", kDamage, "whoever reads it can tell keys from their hashes",
     "chmod 600 the file `key`"},
    {"tenant_names", kDamage,
     "that no two tenants share a number is checked for the names of now only",
     "restore the file `tenants` from a backup of this store, or remove it"},
    {"snapshot", kNote, kNothing,
     "check it by itself, with `kachel snapshot verify DIR`; delete it, or let it expire, before "
     "an "
     "erase has to be proven"},
    {"snapshot_manifest", kDamage, "nobody can say when what is in the snapshot is due",
     "make another snapshot; restore this one no more"},
    {"hot_manifest", kDamage, "part of the hot tier begins empty at the next start",
     "nothing: a start passes over it, and writes another"},
    {"segment_header", kDamage, "nothing while its records are whole: they say where they belong",
     "start kacheld: it makes the header anew"},
    {"foreign_segment", kDamage, "nothing of this store",
     "find out where it belongs; a start sets it aside"},
    {"misplaced_segment", kDamage, "all entries of the segment that should be here",
     "give the file the name that its header says, if that one is missing; else set it aside"},
    {"dictionary_copy", kDamage, "nothing while the other copy is whole",
     "nothing at once: it goes when the segment is reclaimed"},
    {"dictionary", kDamage, "the values in this segment that were compressed with it", kQuarantine},
    {"footer_missing", kDamage, "what stood in the part that is cut off",
     "start kacheld: it scans the segment and writes a footer over what is there"},
    {"footer", kDamage, "nothing while the records are whole: they are scanned instead",
     "start kacheld with a rebuilt index (`kachel repair`), so that no row rests on the table"},
    {"record", kDamage, kOneEntry,
     "nothing at once, it is a miss; look at the disk if there are more"},
    {"payload", kDamage, kOneEntry,
     "nothing at once, it is a miss; look at the disk if there are more"},
    {"value", kDamage, kOneEntry, "report it: the checksum fits and the value does not decompress"},
    {"table_differs", kDamage, "a rebuilt index would rest on what is wrong",
     "report it, with the output of `kachel dump record` for this place"},
    {"stray_bytes", kDamage, "a record, if there was one", "look at the disk"},
    {"torn_tail", kNote, "nothing that was promised", "nothing: the next start cuts it off"},
    {"segment_missing", kDamage, "all entries that were in it", "restore the file from a snapshot"},
    {"sequence_twice", kDamage, "which of two changes came last can't be told",
     "report it, with the output of `kachel dump segment` of both"},
    {"sequence_missing", kDamage, "the change with this number, which may have been an erase",
     "restore the segment from a snapshot; repeat erases of that time"},
    {"beyond_limit", kDamage, "numbers might be given out twice",
     "restore the file `superblock` from a snapshot that is as new as the segments"},
    {"index_missing", kDamage, "a longer start; no entry", kRebuild},
    {"index_empty", kNote, "a longer start; no entry", "nothing: the next start builds it"},
    {"index_file", kDamage, "no entry: the index is derived", kRebuild},
    {"index_item", kDamage, "no entry: the index is derived", kRebuild},
    {"row_without_record", kDamage, kOneEntry, kRebuild},
    {"record_without_row", kDamage, kOneEntry, kRebuild},
    {"row_differs", kDamage, "wrong metadata or a miss for this entry", kRebuild},
    {"audit_log", kDamage, "the proof of what stands there",
     "keep the directory as it is, and compare with receipts and checkpoints kept elsewhere"},
    {"audit_log_missing", kDamage, "the proof of erases and holds",
     "restore audit/ from a snapshot"},
    {"overdue_segment", kOverdue, "bytes are there that were to be gone", kServe},
    {"overdue_erasure", kOverdue, "an erase is not done in its time", kServe},
    {"overdue_index", kOverdue, "rows of what is dead, without any text, are there still", kServe},
    {"erased_row", kOverdue, "the index still knows a keyed hash of what was erased", kServe},
    {"erased_record", kOverdue, "the bytes of what was erased are there", kServe},
    {"erased_text", kOverdue, "the text is there that was to be gone",
     "find out which file it is: one of Kachel's is overdue, any other is not Kachel's to erase"},
    {"receipt", kDamage, "the proof that it was to be",
     "fetch the receipt again, and check it with the log's public key"},
}};
static_assert(kFindingKinds[static_cast<std::size_t>(FindingCode::kSegmentMissing)].name ==
              "segment_missing");
static_assert(kFindingKinds[static_cast<std::size_t>(FindingCode::kIndexEmpty)].name ==
              "index_empty");
static_assert(kFindingKinds[static_cast<std::size_t>(FindingCode::kReceipt)].name == "receipt");

}  // namespace

std::string_view severity_name(Severity severity) {
  constexpr std::string_view kNames[] = {"note", "damage", "overdue"};
  return kNames[static_cast<std::size_t>(severity)];
}

const FindingKind& kind_of(FindingCode code) {
  return kFindingKinds[static_cast<std::size_t>(code)];
}

}  // namespace kachel::inspect
