#include "engine/audit/history.h"

#include "engine/audit/text.h"

namespace kachel::audit {
namespace {
constexpr int kNoteLines = 5;  // origin, size, root, none, signature
}

std::string_view first_note(std::string_view history) {
  std::string_view rest = history;
  for (int line = 0; line < kNoteLines; ++line) {
    if (!take_line(rest)) return {};
  }
  return history.substr(0, history.size() - rest.size());
}

Result<HistoryEnd> read_history_end(std::string_view end, std::string_view current,
                                    const VerifierKey& key, std::string_view origin) {
  const std::size_t at = end.rfind(current);
  if (at == std::string_view::npos) {
    return Error{ErrorCode::kCorrupt,
                 std::string(kHistoryPath) + " does not hold the checkpoint that is in " +
                     std::string(kCheckpointPath) + ": one of them was damaged or exchanged"};
  }
  HistoryEnd found{at + current.size(), std::string(current)};
  const std::string_view behind = first_note(end.substr(found.whole_bytes));
  if (!behind.empty() && open_checkpoint(behind, key, origin)) {
    found.whole_bytes += behind.size();
    found.newest = behind;
  }
  return found;
}

}  // namespace kachel::audit
