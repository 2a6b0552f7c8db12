// Copies of a store: snapshots of a running one, and what a store that is a copy has to learn
// before it serves what it has. docs/snapshots.md says how these go together.
//
// Any thread; handlers run on `loop`.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/format/record.h"
#include "engine/mac.h"
#include "io/error.h"
#include "io/loop.h"
#include "io/unique_function.h"
#include "io/zeroizing.h"

namespace kachel {

struct SnapshotInfo {
  std::string name;
  std::string directory;  // of the host; empty when there is none
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;
  std::uint64_t through = 0;        // it has the records up to this sequence
  std::uint64_t segments = 0;       // that are still in it
  std::uint64_t segments_left = 0;  // they were due before it is
  std::uint64_t bytes = 0;          // of its segments
  std::uint64_t own_bytes = 0;      // of those that the store itself has no more
  bool has_index = false;           // without one a restore has to make it
};

struct SnapshotFile {
  std::string path;  // within the snapshot
  std::uint64_t bytes = 0;
};
inline constexpr std::size_t kMaxSnapshotReadBytes = std::size_t{4} << 20;

/// An entry as one that knows better than a copy says it has it.
struct AliveEntry {
  Mac mac{};
  std::uint64_t version = 0;
  friend bool operator==(const AliveEntry&, const AliveEntry&) = default;
  friend auto operator<=>(const AliveEntry&, const AliveEntry&) = default;
};
inline constexpr std::size_t kMaxAlivePage = std::size_t{1} << 16;
struct AlivePage {
  std::vector<AliveEntry> entries;  // in order
  std::optional<Mac> next;          // nothing: that was all
};
/// A part of a namespace, in the order of MACs.
struct AliveRange {
  Namespace space;
  Mac from{};
  std::optional<Mac> until{};  // exclusive; nothing: to the end
};

/// Why nothing is in doubt any more.
struct DoubtEnd {
  std::string source;         // of what is alive; empty: somebody answers for it
  std::uint64_t through = 0;  // what has happened up to this sequence of the source is known
  std::uint64_t erased = 0;   // entries
  std::string reason;
};

class Copies {
 public:
  template <typename T>
  using Handler = UniqueFunction<void(Result<T>)>;

  virtual ~Copies() = default;

  /// Makes a snapshot, below snapshots/ in the data directory, that lives for `lifetime` (0: a
  /// day), and no longer than `erase_within`. Errors: kInvalidArgument (no name for one, or this
  /// store is itself in doubt), kAlreadyExists, kTooLarge (there are enough), kLocked (another one
  /// is being made), kNoSpace, kIo.
  virtual void create_snapshot(std::string name, std::chrono::milliseconds lifetime, io::Loop& loop,
                               Handler<SnapshotInfo> handler) = 0;
  /// kNotFound, kLocked, kIo.
  virtual void remove_snapshot(std::string name, io::Loop& loop, Handler<void> handler) = 0;
  virtual std::vector<SnapshotInfo> snapshots() const = 0;
  /// All it has, by path. kNotFound.
  virtual void list_files(std::string name, io::Loop& loop,
                          Handler<std::vector<SnapshotFile>> handler) = 0;
  /// At most kMaxSnapshotReadBytes; fewer than `bytes` at the end of the file. kNotFound,
  /// kInvalidArgument.
  virtual void read_file(std::string name, std::string path, std::uint64_t offset,
                         std::size_t bytes, io::Loop& loop, Handler<ZeroizingBytes> handler) = 0;

  /// The same of a store and of all its copies.
  virtual format::StoreId store_id() const = 0;
  /// The sequence of the newest record.
  virtual std::uint64_t last_sequence() const = 0;
  /// A store that is a copy does not serve what has a version up to this, until it is known what of
  /// it was erased since the copy was made. 0: nothing is in doubt.
  virtual std::uint64_t doubtful_through() const = 0;
  /// When that copy was made; 0 when nothing is in doubt.
  virtual std::int64_t copied_ms() const = 0;
  /// Segments of this copy whose bytes are still on their way.
  virtual std::uint64_t arriving_segments() const = 0;
  /// Those with entries.
  virtual std::vector<Namespace> namespaces() const = 0;
  /// What is alive in the namespace from there on, of at most `count` and kMaxAlivePage entries.
  virtual void list_alive(Namespace space, Mac from, std::size_t count, io::Loop& loop,
                          Handler<AlivePage> handler) = 0;
  /// Of what is in doubt in this range nothing is alive but these, in order: the rest is erased.
  /// Durable before the handler runs with how many those were.
  virtual void confirm_alive(AliveRange range, std::vector<AliveEntry> alive, io::Loop& loop,
                             Handler<std::uint64_t> handler) = 0;
  /// confirm_alive() has seen to all of the namespaces, by `source`, and will again before `lease`
  /// is over: until then what came with the copy is served, though it stays in doubt. Recorded in
  /// the audit log the first time. kInvalidArgument: nothing is in doubt.
  virtual void follow(std::string source, std::chrono::milliseconds lease, io::Loop& loop,
                      Handler<void> handler) = 0;
  /// Nothing is in doubt any more: confirm_alive() has seen to it in all of the namespaces, or
  /// somebody answers for it. Durable, and recorded in the audit log, before the handler runs.
  virtual void end_doubt(DoubtEnd end, io::Loop& loop, Handler<void> handler) = 0;
};

}  // namespace kachel
