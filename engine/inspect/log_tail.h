// What the log says after the index's last flush: what a start would apply to the index. Some 100
// bytes of memory for each key that is in there, up to a bound.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "engine/format/footer.h"
#include "engine/index.h"
#include "engine/inspect/store_view.h"

namespace kachel::inspect {

class LogTail {
 public:
  /// Reads the records with sequences above this one. kTooLarge when they are about more keys than
  /// fit: the index was lost, or never flushed, and only a start can tell.
  Result<void> read(const StoreView& store, std::uint64_t applied_through);

  /// Whether a later put or an erase of the key is in there.
  bool supersedes(const format::RecordSummary& put) const;
  /// When the put expires by the last change in there (ms since the epoch, 0: never).
  std::optional<std::int64_t> expiry_of(const format::RecordSummary& put) const;
  const std::vector<Fence>& fences() const { return fences_; }

 private:
  struct KeyState {
    std::uint64_t dead_below = 0;       // versions
    std::uint64_t expiry_sequence = 0;  // 0: unchanged
    std::uint64_t expiry_version = 0;   // of the put whose expiry it is
    std::int64_t expires_at_ms = 0;
  };

  void add(const format::RecordSummary& record);
  const KeyState* find(const format::RecordSummary& put) const;
  bool is_void(std::uint64_t sequence) const;

  std::uint64_t applied_through_ = 0;
  std::map<RowKey, KeyState> keys_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> voids_;
  std::vector<Fence> fences_;
};

}  // namespace kachel::inspect
