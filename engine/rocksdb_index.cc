#include "engine/rocksdb_index.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <rocksdb/cache.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>
#include <set>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "engine/rocksdb_lookups.h"
#include "engine/row_coding.h"

namespace kachel {
namespace {

// Far above what the engine lets gather before it flushes: RocksDB must never flush by
// itself, since rows would become durable without their marker.
constexpr std::size_t kWriteBufferBytes = std::size_t{1} << 30;
// 20 bits for each row that there is when it is flushed, mostly.
constexpr double kMemtableFilterShare = double{64 << 10} / double{kWriteBufferBytes};
constexpr rocksdb::SequenceNumber kWhatever = ~rocksdb::SequenceNumber{0};  // has been flushed
constexpr int kBloomBitsPerKey = 10;
constexpr int kCacheShardBits = 2;          // few threads look up at once
constexpr double kHighPriorityShare = 0.7;  // for filters and indexes before rows
constexpr int kMostPiledTables = 512;
// Rows come in the order of their MACs' chance, so that each compaction of flushed tables rewrites
// all of the first level: the more of them at once, the less often. A lookup asks each one's
// filter.
constexpr int kTablesToCompact = 16;
constexpr std::uint64_t kFirstLevelBytes = std::uint64_t{128} << 20;
constexpr std::uint64_t kTableBytes = std::uint64_t{16} << 20;
constexpr int kPatience = 300;  // looks, 10 ms apart, whether old tables are gone

std::string_view view(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

Error to_error(const rocksdb::Status& status, std::string_view doing) {
  ErrorCode code = ErrorCode::kIo;
  // A file that the index itself names and does not have: a wipe was interrupted, or somebody
  // tidied up.
  if (status.IsCorruption() || status.IsPathNotFound()) code = ErrorCode::kCorrupt;
  if (status.IsNoSpace()) code = ErrorCode::kNoSpace;
  return {code, "index: " + std::string(doing) + ": " + status.ToString()};
}

class DeadRowFilter final : public rocksdb::CompactionFilter {
 public:
  explicit DeadRowFilter(const RowFilter* filter) : filter_(filter) {}
  const char* Name() const override { return "kachel.DeadRowFilter"; }
  bool Filter(int, const rocksdb::Slice& key, const rocksdb::Slice& value, std::string*,
              bool*) const override {
    if (filter_ == nullptr || key.empty() || key[0] != kRowPrefix) return false;
    const auto row_key = decode_row_key(view(key));
    const auto row = decode_row(view(value));
    return row_key && row && filter_->is_dead(*row_key, *row);
  }

 private:
  const RowFilter* filter_;
};

/// RocksDB's own log file is not written: on a full disk its second write after a failed one hits
/// an assertion, and Debian's build has assertions. What matters comes as a status.
class NoLog final : public rocksdb::Logger {
 public:
  NoLog() : rocksdb::Logger(rocksdb::FATAL_LEVEL) {}
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

/// Compaction gives way to the threads that serve, but not to the point of standing still:
/// RocksDB's own way to lower it (19) leaves it one part in seventy of a busy processor. Then
/// flushed tables pile up, each lookup of the log thread asks all their filters, which keeps that
/// processor busy: a hundred tables after ten million SETs, which took 100 us each.
void yield_to_others() {
  constexpr int kNice = 5;  // a quarter of a processor that is busy otherwise
  thread_local const int done = ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
  static_cast<void>(done);
}

/// Reports the end of the one flush under way, and that the disk is full; knows which compactions
/// are running.
class Listener final : public rocksdb::EventListener {
 public:
  /// It ends when everything through `sequence`, RocksDB's own number, is on disk: the word of an
  /// earlier flush, one of resume(), may come later than the beginning of this one.
  void expect(UniqueFunction<void(Result<void>)> done, rocksdb::SequenceNumber sequence) {
    const std::lock_guard lock(mutex_);
    done_ = std::move(done);
    sequence_ = sequence;
    begun_ = false;
  }
  void OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) override {
    const std::lock_guard lock(mutex_);
    begun_ = true;
  }
  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo& info) override {
    const rocksdb::TableProperties& table = info.table_properties;
    flushed_bytes_ += table.data_size + table.index_size + table.filter_size;
    end({}, info.largest_seqno);
  }
  /// On the thread that compacts.
  void OnCompactionBegin(rocksdb::DB*, const rocksdb::CompactionJobInfo& info) override {
    yield_to_others();
    const std::lock_guard lock(mutex_);
    compactions_.insert(info.job_id);
  }
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo& info) override {
    compacted_bytes_ += info.stats.total_output_bytes;
    const std::lock_guard lock(mutex_);
    compactions_.erase(info.job_id);
  }
  /// By the numbers of their jobs.
  std::set<int> compactions() const {
    const std::lock_guard lock(mutex_);
    return compactions_;
  }
  std::uint64_t flushed_bytes() const { return flushed_bytes_; }
  std::uint64_t compacted_bytes() const { return compacted_bytes_; }
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* status) override {
    if (status->IsNoSpace()) full_ = true;
    if (is_of_manifest(reason)) manifest_failed_ = true;
    if (status->IsNoSpace() && is_of_manifest(reason) && is_flush_waiting()) {
      *status = rocksdb::Status(*status, rocksdb::Status::kSoftError);
      return;
    }
    if (status->severity() >= rocksdb::Status::kHardError) stopped_ = true;
    finish(to_error(*status, "background work"));
  }
  /// RocksDB itself would wait until a whole write buffer is free, which is 1 GiB here, and
  /// choose its own moment: resume() does it, when the log says so.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status status,
                            bool* auto_recovery) override {
    if (status.IsNoSpace()) *auto_recovery = false;
  }
  bool is_full() const { return full_; }
  /// Before RocksDB itself knows: it says so first, and takes writes and flushes until then that
  /// it never carries out.
  bool is_stopped() const { return stopped_; }
  void resume() { full_ = stopped_ = false; }
  /// Whether a manifest could not be written since the last call; RocksDB removes no files then.
  bool take_manifest_failed() { return manifest_failed_.exchange(false); }
  /// RocksDB does not tell of every way in which it fails to resume.
  void stay_stopped(bool full, bool manifest_failed) {
    if (full) full_ = true;
    if (manifest_failed) manifest_failed_ = true;
    stopped_ = true;
  }
  void finish(Result<void> result) { end(std::move(result), kWhatever); }
  /// The flush under way, unless it is a later one than through `through`.
  void end(Result<void> result, rocksdb::SequenceNumber through) {
    UniqueFunction<void(Result<void>)> done;
    {
      const std::lock_guard lock(mutex_);
      if (through < sequence_) return;
      done = std::move(done_);
    }
    if (done) done(std::move(result));
  }

 private:
  static bool is_of_manifest(rocksdb::BackgroundErrorReason reason) {
    return reason == rocksdb::BackgroundErrorReason::kManifestWrite ||
           reason == rocksdb::BackgroundErrorReason::kManifestWriteNoWAL;
  }
  /// A flush that is asked for and has not begun when a compaction stops RocksDB stays in its queue
  /// for ever, and so does whatever waits for it, Resume() among it. So then it must not stop.
  bool is_flush_waiting() const {
    const std::lock_guard lock(mutex_);
    return done_ && !begun_;
  }

  mutable std::mutex mutex_;
  UniqueFunction<void(Result<void>)> done_;  // guarded by mutex_
  rocksdb::SequenceNumber sequence_ = 0;     // guarded by mutex_
  bool begun_ = false;                       // guarded by mutex_
  std::set<int> compactions_;                // guarded by mutex_
  std::atomic<bool> manifest_failed_{false};
  std::atomic<std::uint64_t> flushed_bytes_{0};
  std::atomic<std::uint64_t> compacted_bytes_{0};
  std::atomic<bool> full_{false};
  std::atomic<bool> stopped_{false};
};

class RocksDbIndex final : public Index {
 public:
  static Result<std::unique_ptr<Index>> open(const RocksDbIndexOptions& options) {
    auto index = std::unique_ptr<RocksDbIndex>(new RocksDbIndex(options));
    const rocksdb::Status status = index->open_database(options);
    if (!status.ok()) return to_error(status, "open");
    auto found = index->marker();
    if (!found) return found.error();
    if (*found && (*found)->store_id != options.store_id) {
      return Error{ErrorCode::kForeign, "index: belongs to another store"};
    }
    auto counts = index->counts();
    if (!counts) return counts.error();
    for (const SegmentCounts& count : *counts)
      index->last_counts_.push_back(count.segment_id);
    return std::unique_ptr<Index>(std::move(index));
  }

  ~RocksDbIndex() override {
    abort_compaction();
    if (compaction_.joinable()) compaction_.join();
    // Rows above the marker are the log's to replay; flushing them here would only race
    // with the engine's own order of things.
    if (db_) db_->Close();
  }

  Lookup find(const RowKey& key, Where where) const override {
    rocksdb::ReadOptions read;
    read.verify_checksums = true;
    if (where == Where::kMemory) read.read_tier = rocksdb::kBlockCacheTier;
    rocksdb::PinnableSlice value;
    const rocksdb::Status status =
        db_->Get(read, db_->DefaultColumnFamily(), encode_row_key(key), &value);
    return lookup_of(status, value);
  }

  void find_many(std::span<const RowKey> keys, std::span<Lookup> found) const override {
    const auto keep = [found](std::size_t i, const rocksdb::Status& status,
                              const rocksdb::Slice& value) { found[i] = lookup_of(status, value); };
    if (are_close_together(*db_, keys)) return walk_to_each(*db_, keys, keep);
    get_many(*db_, keys, keep);
  }

  Result<std::vector<std::pair<Mac, Row>>> list(Namespace space, const Mac& from,
                                                std::size_t limit) const override {
    std::vector<std::pair<Mac, Row>> rows;
    const auto it = std::unique_ptr<rocksdb::Iterator>(db_->NewIterator({}));
    for (it->Seek(encode_row_key({space, from})); it->Valid() && rows.size() < limit; it->Next()) {
      const auto key = decode_row_key(view(it->key()));
      if (!key || key->space != space) break;
      const auto row = decode_row(view(it->value()));
      if (row) rows.emplace_back(key->mac, *row);
    }
    if (!it->status().ok()) return to_error(it->status(), "scan");
    return rows;
  }

  Result<void> apply(std::span<const IndexChange> changes) override {
    rocksdb::WriteBatch batch;
    for (const IndexChange& change : changes) {
      if (change.row) {
        batch.Put(encode_row_key(change.key), encode_row(*change.row));
      } else {
        batch.Delete(encode_row_key(change.key));
      }
    }
    return write(batch);
  }

  Result<void> put_fence(const Fence& fence) override {
    rocksdb::WriteBatch batch;
    batch.Put(encode_fence_key(fence), encode_fence(fence));
    return write(batch);
  }

  Result<void> drop_fence(const Fence& fence) override {
    rocksdb::WriteBatch batch;
    batch.Delete(encode_fence_key(fence));
    return write(batch);
  }

  Result<void> put_hold(const Hold& hold) override {
    rocksdb::WriteBatch batch;
    batch.Put(encode_hold_key(hold.id), encode_hold(hold));
    return write(batch);
  }

  Result<void> drop_hold(const Mac& id) override {
    rocksdb::WriteBatch batch;
    batch.Delete(encode_hold_key(id));
    return write(batch);
  }

  void flush(const Marker& marker, std::span<const SegmentCounts> counts, Done done) override {
    if (auto written = write_marker(marker, counts); !written) return done(std::move(written));
    listener_->expect(std::move(done), db_->GetLatestSequenceNumber());
    rocksdb::FlushOptions flush;
    flush.wait = false;  // the memtable is switched before this returns
    flush.allow_write_stall = true;
    const rocksdb::Status status = db_->Flush(flush);
    if (!status.ok()) listener_->finish(to_error(status, "flush"));
    if (listener_->is_stopped()) listener_->finish(stopped("flush"));
  }

  void when_settled(UniqueFunction<void()> done) override {
    run_aside([this, done = std::move(done)]() mutable {
      await_compactions(listener_->compactions());
      done();
    });
  }

  /// CompactRange() flushes first whatever there is. So that flush is made the one that the marker
  /// goes with.
  void compact(const Marker& marker, std::span<const SegmentCounts> counts, Done flushed,
               Done done) override {
    if (auto written = write_marker(marker, counts); !written) {
      flushed(written);
      return done(std::move(written));
    }
    const rocksdb::SequenceNumber sequence = db_->GetLatestSequenceNumber();
    listener_->expect(std::move(flushed), sequence);
    run_aside([this, sequence, done = std::move(done)]() mutable {
      Result<void> rewritten = rewrite();
      if (!rewritten) listener_->end(rewritten, sequence);  // it may have failed before the flush
      done(std::move(rewritten));
    });
  }

  void abort_compaction() override {
    if (db_ && !aborted_.exchange(true)) db_->DisableManualCompaction();
  }

  bool is_full() const override { return listener_->is_full(); }

  Result<void> resume() override {
    await_jobs();
    const bool was_full = is_full();
    listener_->resume();
    const bool manifest_failed = listener_->take_manifest_failed();
    rocksdb::Status status = db_->Resume();
    // Where RocksDB was not stopped it has nothing to resume, and still removes no files.
    if (status.ok() && manifest_failed) status = begin_manifest();
    if (status.ok() && manifest_failed) status = db_->EnableFileDeletions(true);
    if (status.ok()) return {};
    listener_->stay_stopped(was_full, manifest_failed);
    return to_error(status, "resume");
  }

  Result<void> copy_to(const std::string& directory) const override {
    // Never a flush: rows would be in the copy that the marker does not speak for.
    constexpr std::uint64_t kNoFlush = ~std::uint64_t{0};
    rocksdb::Checkpoint* made = nullptr;
    rocksdb::Status status = rocksdb::Checkpoint::Create(db_.get(), &made);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
    const std::filesystem::path root = std::filesystem::path(path_).parent_path();
    if (status.ok()) status = checkpoint->CreateCheckpoint(root / directory, kNoFlush);
    if (!status.ok()) return to_error(status, "copy");
    return {};
  }

  Result<std::optional<Marker>> marker() const override {
    std::string value;
    const rocksdb::Status status = db_->Get({}, marker_key(), &value);
    if (status.IsNotFound()) return std::optional<Marker>();
    if (!status.ok()) return to_error(status, "read the marker");
    auto marker = decode_marker(value);
    if (!marker) return Error{ErrorCode::kCorrupt, "index: the marker is damaged"};
    return std::optional<Marker>(std::move(*marker));
  }

  Result<std::vector<SegmentCounts>> counts() const override {
    std::vector<SegmentCounts> all;
    const auto it = std::unique_ptr<rocksdb::Iterator>(db_->NewIterator({}));
    for (it->Seek(encode_counts_key(0)); it->Valid(); it->Next()) {
      const auto id = decode_counts_key(view(it->key()));
      if (!id) break;
      auto counts = decode_counts(*id, view(it->value()));
      if (!counts) return Error{ErrorCode::kCorrupt, "index: live counts are damaged"};
      all.push_back(std::move(*counts));
    }
    if (!it->status().ok()) return to_error(it->status(), "read live counts");
    return all;
  }

  Result<std::vector<Fence>> fences() const override {
    return all_of<Fence>(encode_fence_key({}), is_fence_key, decode_fence, "fence");
  }

  Result<std::vector<Hold>> holds() const override {
    return all_of<Hold>(encode_hold_key({}), is_hold_key, decode_hold, "hold");
  }

  void start_housekeeping() override {
    // Refused only for a dropped column family; the next flush would schedule it as well.
    (void)db_->EnableAutoCompaction({db_->DefaultColumnFamily()});
  }

  void set_memory(std::uint64_t bytes) override { cache_->SetCapacity(cache_share(bytes)); }

  IndexUsage usage() const override {
    IndexUsage usage;
    db_->GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &usage.disk_bytes);
    std::uint64_t memtables = 0;
    db_->GetIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &memtables);
    db_->GetIntProperty(rocksdb::DB::Properties::kCurSizeActiveMemTable, &usage.unflushed_bytes);
    usage.memory_bytes = memtables + cache_->GetUsage();
    usage.flushed_bytes = listener_->flushed_bytes();
    usage.compacted_bytes = listener_->compacted_bytes();
    return usage;
  }

 private:
  explicit RocksDbIndex(const RocksDbIndexOptions& options)
      : path_(options.path),
        filter_(options.filter),
        cache_(rocksdb::NewLRUCache(cache_share(options.memory_bytes), kCacheShardBits, false,
                                    kHighPriorityShare)),
        listener_(std::make_shared<Listener>()) {}

  static Lookup lookup_of(const rocksdb::Status& status, const rocksdb::Slice& value) {
    if (status.IsNotFound()) return {LookupStatus::kAbsent, {}};
    if (status.IsIncomplete()) return {LookupStatus::kNeedsDisk, {}};
    if (!status.ok()) return {LookupStatus::kFailed, {}};
    const auto row = decode_row(view(value));
    if (!row) return {LookupStatus::kFailed, {}};
    return {LookupStatus::kFound, *row};
  }

  /// The rest is the memtables': the engine flushes when they have grown to a third.
  static std::size_t cache_share(std::uint64_t memory_bytes) {
    return static_cast<std::size_t>(memory_bytes / 3 * 2);
  }

  rocksdb::Status open_database(const RocksDbIndexOptions& options) {
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache_;
    table.cache_index_and_filter_blocks = true;
    table.cache_index_and_filter_blocks_with_high_priority = true;
    // In pieces of a block: the whole filter of a large file would not fit a shard of a small
    // cache, and would be read from the disk for every lookup.
    table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
    table.partition_filters = true;
    table.metadata_block_size = 4096;
    table.pin_top_level_index_and_filter = true;
    // A lookup asks every flushed table; from the cache that would take 2 us each time.
    table.metadata_cache_options.partition_pinning = rocksdb::PinningTier::kFlushedAndSimilar;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
    table.checksum = rocksdb::kXXH3;  // Debian's build has no hardware CRC32C
    table.format_version = 5;

    rocksdb::Options db;
    if (options.env != nullptr) db.env = options.env;
    db.create_if_missing = true;
    db.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    db.compression = rocksdb::kNoCompression;  // rows are MACs and small numbers
    db.write_buffer_size = kWriteBufferBytes;
    db.max_write_buffer_number = 4;
    // Lookups of what has been flushed, or is new, find nothing in the memtable: a few bits a
    // row instead of a search through the list.
    db.memtable_whole_key_filtering = true;
    db.memtable_prefix_bloom_size_ratio = kMemtableFilterShare;
    db.avoid_flush_during_shutdown = true;
    // Through the page cache, which outlives a kill: a replay looks up a row for each record,
    // and would wait for a device read each. What the kernel keeps is its own to take back.
    db.use_direct_reads = false;
    db.compaction_filter = &filter_;
    db.listeners = {listener_};
    db.info_log = std::make_shared<NoLog>();
    // Reserved in vain, it takes the last blocks of a full disk from the files that need them.
    db.manifest_preallocation_size = 0;
    // The manifest has the first and the last key of every table there was since it was begun.
    // Begun anew with every change, it has only those of now, after one change more.
    db.max_manifest_file_size = 1;
    db.max_background_jobs = 2;
    // While all is compacted flushed tables pile up, two a second under load: reads look through
    // them, but the log thread, which all writes go through, must not be stopped.
    db.level0_file_num_compaction_trigger = kTablesToCompact;
    db.max_bytes_for_level_base = kFirstLevelBytes;
    db.level0_slowdown_writes_trigger = kMostPiledTables / 2;
    db.level0_stop_writes_trigger = kMostPiledTables;
    // All is written anew in pieces of this size, and no more space than one of them takes is
    // needed.
    db.target_file_size_base = kTableBytes;
    db.max_compaction_bytes = 16 * kTableBytes;
    db.disable_auto_compactions = true;  // until start_housekeeping()
    rocksdb::DB* raw = nullptr;
    rocksdb::Status status = rocksdb::DB::Open(db, options.path, &raw);
    db_.reset(raw);
    return status;
  }

  /// What lies from `first` on under keys of its kind.
  template <typename Item>
  Result<std::vector<Item>> all_of(const std::string& first, bool (*is_key)(std::string_view),
                                   std::optional<Item> (*decode)(std::string_view,
                                                                 std::string_view),
                                   const std::string& what) const {
    std::vector<Item> all;
    const auto it = std::unique_ptr<rocksdb::Iterator>(db_->NewIterator({}));
    for (it->Seek(first); it->Valid(); it->Next()) {
      if (!is_key(view(it->key()))) break;
      auto item = decode(view(it->key()), view(it->value()));
      if (!item) return Error{ErrorCode::kCorrupt, "index: a " + what + " is damaged"};
      all.push_back(std::move(*item));
    }
    if (!it->status().ok()) return to_error(it->status(), "read each " + what);
    return all;
  }

  /// A flush or a compaction tells of its failure first and makes it RocksDB's state then: resumed
  /// in between, RocksDB would find nothing amiss, and stop afterwards. It tells nobody when that
  /// is: hence the polling, by which only resume() waits, on the pool.
  void await_jobs() const {
    for (const std::string& running : {rocksdb::DB::Properties::kNumRunningFlushes,
                                       rocksdb::DB::Properties::kNumRunningCompactions}) {
      std::uint64_t count = 0;
      while (db_->GetIntProperty(running, &count) && count != 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  /// On a thread of its own, one at a time: the one before has called back, and is at its end.
  void run_aside(UniqueFunction<void()> work) {
    if (compaction_.joinable()) compaction_.join();
    compaction_ = std::thread(std::move(work));
  }

  /// Its word may never come when the database is being closed, hence the second question.
  void await_compactions(const std::set<int>& begun) const {
    const auto is_running = [this](int job) { return listener_->compactions().contains(job); };
    std::uint64_t running = 1;
    while (!aborted_ && std::any_of(begun.begin(), begun.end(), is_running) &&
           db_->GetIntProperty(rocksdb::DB::Properties::kNumRunningCompactions, &running) &&
           running != 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  Result<void> rewrite() {
    std::vector<std::string> before;
    if (auto listed = list_files(before); !listed) return listed;
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    options.allow_write_stall = true;  // its flush is waited for
    rocksdb::Status status = db_->CompactRange(options, nullptr, nullptr);
    if (!status.ok()) return to_error(status, "compact");
    status = begin_manifest();
    if (!status.ok()) return to_error(status, "begin a new manifest");
    for (int i = 0; i < kPatience && !aborted_ && remain(before); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (!remain(before)) return {};
    return Error{ErrorCode::kIo, "index: compact: old tables are still there"};
  }

  /// By a change of nothing: one without the keys of the tables that are gone.
  rocksdb::Status begin_manifest() { return db_->SetOptions({{"report_bg_io_stats", "false"}}); }

  /// Those that may have keys in them.
  Result<void> list_files(std::vector<std::string>& names) const {
    const rocksdb::Status status = db_->GetEnv()->GetChildren(path_, &names);
    if (!status.ok()) return to_error(status, "list");
    std::erase_if(names, [](const std::string& name) {
      return !name.ends_with(".sst") && !name.starts_with("MANIFEST");
    });
    return {};
  }

  /// Whether some of these files are there. A reader may keep one for a moment, and one may not let
  /// itself be removed: RocksDB tells of neither.
  bool remain(const std::vector<std::string>& files) {
    // The second looks for files that are in no use, and removes them before it returns; not while
    // RocksDB itself, after a failure, does not want them removed.
    if (!db_->DisableFileDeletions().ok() || !db_->EnableFileDeletions(false).ok()) return true;
    std::vector<std::string> now;
    if (!list_files(now)) return true;
    std::sort(now.begin(), now.end());
    return std::any_of(files.begin(), files.end(), [&](const std::string& name) {
      return std::binary_search(now.begin(), now.end(), name);
    });
  }

  Error stopped(std::string_view doing) const {
    return {is_full() ? ErrorCode::kNoSpace : ErrorCode::kIo,
            "index: " + std::string(doing) + ": stopped after a failure"};
  }

  Result<void> write_marker(const Marker& marker, std::span<const SegmentCounts> counts) {
    rocksdb::WriteBatch batch;
    batch.Put(marker_key(), encode_marker(marker));
    drop_vanished_counts(batch, counts);
    for (const SegmentCounts& count : counts) {
      batch.Put(encode_counts_key(count.segment_id), encode_counts(count));
    }
    return write(batch);
  }

  Result<void> write(rocksdb::WriteBatch& batch) {
    rocksdb::WriteOptions write;
    write.disableWAL = true;
    const rocksdb::Status status = db_->Write(write, &batch);
    if (!status.ok()) return to_error(status, "write");
    return {};
  }

  /// Counts of segments that are gone are deleted, by the sorted list of those that are not.
  void drop_vanished_counts(rocksdb::WriteBatch& batch, std::span<const SegmentCounts> counts) {
    std::vector<std::uint64_t> ids;
    for (const SegmentCounts& count : counts)
      ids.push_back(count.segment_id);
    std::sort(ids.begin(), ids.end());
    for (const std::uint64_t id : last_counts_) {
      if (!std::binary_search(ids.begin(), ids.end(), id)) batch.Delete(encode_counts_key(id));
    }
    last_counts_ = std::move(ids);
  }

  const std::string path_;
  DeadRowFilter filter_;
  std::shared_ptr<rocksdb::Cache> cache_;
  std::shared_ptr<Listener> listener_;
  std::vector<std::uint64_t> last_counts_;
  std::unique_ptr<rocksdb::DB> db_;
  std::thread compaction_;  // or what waits for others
  std::atomic<bool> aborted_{false};
};

}  // namespace

Result<std::unique_ptr<Index>> open_rocksdb_index(const RocksDbIndexOptions& options) {
  return RocksDbIndex::open(options);
}

}  // namespace kachel
