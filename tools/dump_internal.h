// What the parts of `kachel dump` share. Internal to it.
#pragma once

#include <optional>
#include <string>

#include "engine/inspect/entries.h"
#include "tools/dump_command.h"

namespace kachel::tools {

struct DumpContext {
  const inspect::StoreView& store;
  const DumpRequest& request;
  std::optional<std::uint32_t> tenant;  // that the request names
  RowFormat format{};
  std::int64_t now_ms = 0;
  bool had_damage = false;

  /// Damage met on the way goes to stderr, and into the exit code.
  inspect::OnFinding on_finding();
};

std::string dump_time(std::int64_t ms);       // "" for 0
std::string dump_number(std::int64_t value);  // "" for 0

/// "0000000000000012:4096", in the first part the hexadecimal digits of the file's name.
Result<inspect::EntryCursor> parse_place(const std::string& text);

Result<void> dump_entries(DumpContext& context);
Result<void> dump_record(DumpContext& context);
Result<void> dump_segment(DumpContext& context);
Result<void> dump_index(DumpContext& context);
Result<void> dump_tombstones(DumpContext& context);
Result<void> dump_holds(DumpContext& context);
Result<void> dump_dictionaries(DumpContext& context);
Result<void> dump_audit(DumpContext& context);

/// Writes down in the audit log that keys and values are about to be shown, and why. kPermission
/// on a read-only mount, kLocked when the store is in use: nothing may be shown then.
Result<void> record_reveal(const DumpRequest& request, std::int64_t now_ms);

}  // namespace kachel::tools
