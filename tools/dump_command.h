// `kachel dump`: shows what a store that nobody runs has on disk. Metadata; keys, subjects and
// values only when asked for with a reason, which goes into the audit log.
#pragma once

#include <cstdint>
#include <string>

#include "tools/row_writer.h"

namespace kachel::tools {

struct DumpRequest {
  std::string data;                 // the data directory
  std::string tenant;               // a name or a number; empty: all, but for key and subject 0
  std::uint32_t database = 0;       // of the key
  std::string model, subject, key;  // empty: all
  std::string since, until;         // moments at which entries were created
  std::string state = "live";       // live, dead, held or all
  std::string format = "table";     // table, jsonl or csv
  std::string cursor;               // SEGMENT:OFFSET to go on from
  std::uint64_t limit = 0;          // entries; 0: all
  bool reveal = false;
  std::string reason;
  bool no_audit = false;  // reveal without a leaf in the audit log
  std::string place;      // of `record`: SEGMENT:OFFSET; of `segment`: the id
};

enum class DumpWhat : std::uint8_t {
  kEntries,
  kRecord,
  kSegment,
  kIndex,
  kTombstones,
  kHolds,
  kDictionaries,
  kAudit,
};

/// The exit code.
int run_dump(DumpWhat what, const DumpRequest& request);

}  // namespace kachel::tools
