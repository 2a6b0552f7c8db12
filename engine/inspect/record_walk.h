// Walks every byte between a segment's header and its footer: each is part of a record that is
// whole, or zero, or reported. Blocking; one thread. Memory: a window of 1 MiB, the blocks of
// `ahead` and one value of at most kLargestInMemory; larger ones are read in pieces.
#pragma once

#include <cstdint>
#include <functional>

#include "engine/format/record.h"
#include "engine/inspect/segment_view.h"
#include "io/read_ahead.h"

namespace kachel::inspect {

/// A record with a larger payload is verified in pieces, and comes without it. Bytes.
inline constexpr std::size_t kLargestInMemory = std::size_t{4} << 20;

struct WalkedRecord {
  const format::RecordMeta& meta;
  std::span<const std::byte> payload;  // as stored; empty where it is larger than kLargestInMemory
  std::uint64_t offset = 0;
  std::uint64_t size = 0;  // bytes, padding included
  std::uint64_t payload_bytes = 0;
  const format::RecordSummary* listed = nullptr;  // what the table says of it, if it is in there
};

struct Walk {
  std::function<void(const WalkedRecord&)> on_record;
  OnFinding on_finding;
  /// So many bytes have been looked at.
  std::function<void(std::uint64_t)> on_bytes;
  /// An error ends the walk.
  std::function<Result<void>()> go_on;
  /// Decompress each value as well.
  bool check_values = true;
  /// From here on; what lies before has been walked. 0: from the first record.
  std::uint64_t from = 0;
  /// Reads through this, where it is not null, and closes it.
  io::ReadAhead* ahead = nullptr;
};

struct Walked {
  std::uint64_t records = 0;     // whole ones
  std::uint64_t end = 0;         // of the last of them, bytes from the start of the file
  std::uint64_t tail_bytes = 0;  // after that, in a segment that is not sealed: not zero, no record
  bool has_whole_table = false;
};

/// What is found is reported; kIo and what go_on() says end it.
Result<Walked> walk_records(const StoreView& store, const SegmentView& segment, const Walk& walk);

/// Hands over the value of the record at `offset` in pieces, decompressed. kCorrupt where payload
/// or frame is not whole; what `sink` says ends it.
using ValueSink = std::function<Result<void>(std::span<const std::byte>)>;
Result<void> read_value(const StoreView& store, const SegmentView& segment, std::uint64_t offset,
                        const ValueSink& sink);

}  // namespace kachel::inspect
