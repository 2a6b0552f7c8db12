// The index, read and never written: RocksDB opened read-only, without a log file of its own.
// Blocking; lookups from any thread. Memory: a block cache of 8 MiB.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/index.h"
#include "io/error.h"

namespace kachel::inspect {

class IndexReader {
 public:
  /// `path`: of its directory, in the host's file system. kNotFound, kCorrupt, kIo.
  static Result<std::unique_ptr<IndexReader>> open(const std::string& path);
  virtual ~IndexReader() = default;

  /// kCorrupt when the row can't be decoded.
  virtual Result<std::optional<Row>> find(const RowKey& key) const = 0;
  /// The same of many keys in their order, which takes a fraction of as many calls of find().
  using OnRow = std::function<void(std::size_t key, const Result<std::optional<Row>>&)>;
  virtual void find_all(std::span<const RowKey> keys, const OnRow& call) const = 0;
  /// All there is from this key on, in order, undecoded; what the call says ends it.
  using OnItem = std::function<Result<void>(std::string_view key, std::string_view value)>;
  virtual Result<void> for_each(std::string_view from, const OnItem& call) const = 0;
  /// Names in the directory: of the tables that it is made of.
  virtual std::vector<std::string> tables() const = 0;
};

/// Reads a table file whole: every block against its checksum. kCorrupt, kIo.
Result<void> check_table_file(const std::string& path);
/// All that is in one table file, whether the index still speaks of it or not.
Result<void> for_each_in_table(const std::string& path, const IndexReader::OnItem& call);

/// RocksDB's own check of a manifest lets a last record pass that is cut off. This one takes every
/// byte for part of a record whose checksum fits. kCorrupt says where.
Result<void> check_manifest(std::string_view bytes);

}  // namespace kachel::inspect
