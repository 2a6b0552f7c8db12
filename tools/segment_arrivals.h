// Segments that come in parts (engine/arrivals.h): first what a start needs of each, then what the
// hot tier had, and the rest while a kacheld serves. Blocking; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/format/snapshot_manifest.h"
#include "io/storage.h"
#include "tools/transfer.h"

namespace kachel::tools {

class SegmentArrivals {
 public:
  SegmentArrivals(Transfer& transfer, io::Storage& target) : transfer_(transfer), target_(target) {}

  /// Which source these are of; kNotFound when nothing is arriving there.
  static Result<std::string> source_of(io::Storage& target);
  /// Before the first.
  Result<void> begin(const std::string& source);
  /// Header, dictionary, table and trailer of a sealed segment, in a file of its whole length; all
  /// of one that was open.
  Result<void> begin_segment(const format::StoreId& store_id, const SourceFile& file);
  /// What the manifest of the hot tier names, where the index says that it lies. The directory's
  /// index and manifest are complete.
  Result<void> take_hot(const format::StoreId& store_id);
  /// All this must be on the disk before the directory is a store.
  Result<void> sync();

  /// What is missing, newest first. A segment that has left the snapshot by its deadline stays as
  /// it is: it is due here as well. One that has gone here is no longer asked for.
  Result<void> fill();
  /// Segments that are still incomplete.
  Result<std::uint64_t> count() const;
  /// Nothing is arriving any more.
  Result<void> end();

 private:
  Result<std::unique_ptr<io::File>> make(const SourceFile& file);
  Result<void> fetch(std::uint64_t id, const std::string& path, std::span<const Extent> extents,
                     io::File& file);
  Result<void> fill_segment(std::uint64_t id);
  Result<bool> has_left(const std::string& path);
  std::vector<Extent> missing_of(std::uint64_t id, std::uint64_t bytes) const;

  Transfer& transfer_;
  io::Storage& target_;
  std::map<std::uint64_t, std::vector<Extent>> there_;  // by this run, of each segment
};

}  // namespace kachel::tools
