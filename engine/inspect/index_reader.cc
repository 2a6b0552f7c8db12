#include "engine/inspect/index_reader.h"

#include <algorithm>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/table.h>

#include "engine/rocksdb_lookups.h"
#include "engine/row_coding.h"

namespace kachel::inspect {
namespace {

constexpr std::size_t kBlockCacheBytes = std::size_t{8} << 20;
constexpr int kOpenTables = 256;
constexpr int kBloomBits = 10;  // of what is written, which nothing is here
constexpr std::size_t kReadAheadBytes = std::size_t{1} << 20;

/// Else RocksDB would leave its log in the store.
class SilentLogger final : public rocksdb::Logger {
 public:
  SilentLogger() : rocksdb::Logger(rocksdb::FATAL_LEVEL) {}
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

Error index_error(const rocksdb::Status& status) {
  ErrorCode code = ErrorCode::kIo;
  // RocksDB calls a file that is shorter than its manifest says corrupt as well.
  if (status.IsCorruption() || status.IsPathNotFound() || status.IsInvalidArgument()) {
    code = ErrorCode::kCorrupt;
  }
  if (status.IsNotFound()) code = ErrorCode::kNotFound;
  return {code, status.ToString()};
}

std::string_view text_of_slice(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

rocksdb::Options reader_options() {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes, 0);
  table.cache_index_and_filter_blocks = true;
  // With one, lookups read the filters, whose parts no other check of RocksDB's looks at.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBits));
  rocksdb::Options options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.info_log = std::make_shared<SilentLogger>();
  options.max_open_files = kOpenTables;
  // Else the tables kept open are 64 lots of four, and those whose numbers collide are opened anew
  // for every lookup.
  options.table_cache_numshardbits = 0;
  options.create_if_missing = false;
  return options;
}

rocksdb::ReadOptions scan_options() {
  rocksdb::ReadOptions read;
  read.verify_checksums = true;
  read.fill_cache = false;
  read.readahead_size = kReadAheadBytes;
  return read;
}

Result<void> walk_items(rocksdb::Iterator& it, const IndexReader::OnItem& call) {
  for (; it.Valid(); it.Next()) {
    if (auto done = call(text_of_slice(it.key()), text_of_slice(it.value())); !done) return done;
  }
  if (!it.status().ok()) return index_error(it.status());
  return {};
}

class RocksDbReader final : public IndexReader {
 public:
  explicit RocksDbReader(std::unique_ptr<rocksdb::DB> db) : db_(std::move(db)) {}

  Result<std::optional<Row>> find(const RowKey& key) const override {
    rocksdb::ReadOptions read;
    read.verify_checksums = true;
    std::string value;
    const rocksdb::Status status = db_->Get(read, encode_row_key(key), &value);
    return found(status, value);
  }

  void find_all(std::span<const RowKey> keys, const OnRow& call) const override {
    get_many(*db_, keys,
             [&](std::size_t i, const rocksdb::Status& status, const rocksdb::Slice& value) {
               call(i, found(status, text_of_slice(value)));
             });
  }

  Result<void> for_each(std::string_view from, const OnItem& call) const override {
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(scan_options()));
    it->Seek(rocksdb::Slice(from.data(), from.size()));
    return walk_items(*it, call);
  }

  std::vector<std::string> tables() const override {
    std::vector<rocksdb::LiveFileMetaData> files;
    db_->GetLiveFilesMetaData(&files);
    std::vector<std::string> names;
    names.reserve(files.size());
    for (const auto& file : files)
      names.push_back(file.name.substr(file.name.find_first_not_of('/')));
    return names;
  }

 private:
  static Result<std::optional<Row>> found(const rocksdb::Status& status, std::string_view value) {
    if (status.IsNotFound()) return std::optional<Row>();
    if (!status.ok()) return index_error(status);
    auto row = decode_row(value);
    if (!row) return Error{ErrorCode::kCorrupt, "a row can't be decoded"};
    return row;
  }

  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace

Result<std::unique_ptr<IndexReader>> IndexReader::open(const std::string& path) {
  rocksdb::DB* raw = nullptr;
  const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(reader_options(), path, &raw);
  if (!status.ok()) return index_error(status);
  return std::unique_ptr<IndexReader>(
      std::make_unique<RocksDbReader>(std::unique_ptr<rocksdb::DB>(raw)));
}

Result<void> check_table_file(const std::string& path) {
  rocksdb::SstFileReader reader(reader_options());
  rocksdb::Status status = reader.Open(path);
  if (status.ok()) status = reader.VerifyChecksum(scan_options());
  if (!status.ok()) return index_error(status);
  return {};
}

Result<void> for_each_in_table(const std::string& path, const IndexReader::OnItem& call) {
  rocksdb::SstFileReader reader(reader_options());
  if (const rocksdb::Status status = reader.Open(path); !status.ok()) return index_error(status);
  const std::unique_ptr<rocksdb::Iterator> it(reader.NewIterator(scan_options()));
  it->SeekToFirst();
  return walk_items(*it, call);
}

}  // namespace kachel::inspect
