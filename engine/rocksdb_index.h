// The index in RocksDB: no WAL, one column family, flushed only when told, so that rows and
// marker become durable in one atomic step. docs/format.md ("Index").
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/index.h"

namespace rocksdb {
class Env;
}

namespace kachel {

struct RocksDbIndexOptions {
  std::string path;
  format::StoreId store_id{};
  std::uint64_t memory_bytes = 64 << 20;  // block cache and memtables together
  const RowFilter* filter = nullptr;      // outlives the index
  rocksdb::Env* env = nullptr;            // outlives the index; null: the host's
};

/// Opens or creates. kCorrupt when RocksDB, or the identity inside, says so: the caller then
/// removes the directory and rebuilds. kForeign when it is another store's.
Result<std::unique_ptr<Index>> open_rocksdb_index(const RocksDbIndexOptions& options);

}  // namespace kachel
