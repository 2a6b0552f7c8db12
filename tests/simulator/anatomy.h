// Segments as an expert reads them: which record lies where. For damage that knows what it
// hits, and for looking at an image that broke a promise.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/format/record.h"
#include "engine/mac.h"
#include "io/memory_storage.h"

namespace kachel::sim {

struct Piece {
  std::uint64_t offset = 0;  // bytes
  std::uint64_t size = 0;    // bytes
  format::RecordType type = format::RecordType::kMark;
  std::uint64_t sequence = 0;
  std::uint64_t version = 0;
  std::int64_t expires_at_ms = 0;
  std::uint64_t first = 0;  // of a mark: durable through; of a void: the first void
  std::uint64_t last = 0;   // of a mark: written through; of a void: the last void
  Mac mac{};
  ScopeTags tags{};
  std::string key;  // of puts
};

struct Anatomy {
  std::string path;
  std::uint64_t id = 0;
  std::uint64_t bytes = 0;
  bool sealed = false;
  std::string dictionary;  // its content, of each copy that is whole
  std::vector<Piece> records;
};

/// All segments on the disk, and the key that its MACs were made with. None without a store.
std::vector<Anatomy> dissect(const io::MemoryStorage& disk, MacKey& mac_key);
/// Those in snapshots, likewise.
std::vector<Anatomy> dissect_snapshots(const io::MemoryStorage& disk, MacKey& mac_key);
std::string describe(const io::MemoryStorage& disk, std::size_t keys);

}  // namespace kachel::sim
