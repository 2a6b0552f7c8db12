// Many rows of RocksDB at once.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <rocksdb/db.h>
#include <span>
#include <string>

#include "engine/row_coding.h"

namespace kachel {

/// As DB::Get() of each, in lots: `on_found(i, status, value)` for each. Sorted, a table is asked
/// once for a whole lot.
template <typename OnFound>
void get_many(rocksdb::DB& db, std::span<const RowKey> keys, OnFound&& on_found) {
  constexpr std::size_t kLot = 64;
  rocksdb::ReadOptions read;
  read.verify_checksums = true;
  std::array<std::string, kLot> encoded;
  std::array<rocksdb::Slice, kLot> slices;
  std::array<rocksdb::PinnableSlice, kLot> values;
  std::array<rocksdb::Status, kLot> statuses;
  const bool is_sorted = std::is_sorted(keys.begin(), keys.end());
  for (std::size_t first = 0; first < keys.size(); first += kLot) {
    const std::size_t count = std::min(kLot, keys.size() - first);
    for (std::size_t i = 0; i < count; ++i) {
      encoded[i] = encode_row_key(keys[first + i]);
      slices[i] = encoded[i];
      values[i].Reset();
    }
    db.MultiGet(read, db.DefaultColumnFamily(), count, slices.data(), values.data(),
                statuses.data(), is_sorted);
    for (std::size_t i = 0; i < count; ++i)
      on_found(first + i, statuses[i], values[i]);
  }
}

/// Whether so few rows lie between the keys, which are sorted, that walking over them takes less
/// than looking each key up.
inline bool are_close_together(rocksdb::DB& db, std::span<const RowKey> keys) {
  constexpr std::size_t kLeastKeys = 512;  // to find the place to begin takes a while
  constexpr std::uint64_t kRowBytes = 45;  // in a table, about
  constexpr std::uint64_t kRowsAKey = 20;  // walked over in the time that looking one up takes
  if (keys.size() < kLeastKeys || !std::is_sorted(keys.begin(), keys.end())) return false;
  const std::string first = encode_row_key(keys.front());
  const std::string last = encode_row_key(keys.back());
  const rocksdb::Range range(first, last);
  std::uint64_t bytes = 0;
  rocksdb::SizeApproximationOptions options;
  options.include_memtables = true;
  const rocksdb::Status status =
      db.GetApproximateSizes(options, db.DefaultColumnFamily(), &range, 1, &bytes);
  return status.ok() && bytes / kRowBytes / kRowsAKey <= keys.size();
}

/// As get_many() of what are_close_together(), in one walk from the first to the last.
template <typename OnFound>
void walk_to_each(rocksdb::DB& db, std::span<const RowKey> keys, OnFound&& on_found) {
  rocksdb::ReadOptions read;
  read.verify_checksums = true;
  read.fill_cache = false;  // it would push out what is looked up more than once
  const std::string last = encode_row_key(keys.back()) + '\0';
  const rocksdb::Slice bound(last);
  read.iterate_upper_bound = &bound;
  const std::unique_ptr<rocksdb::Iterator> it(db.NewIterator(read));
  it->Seek(encode_row_key(keys.front()));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::string key = encode_row_key(keys[i]);
    while (it->Valid() && it->key().compare(key) < 0)
      it->Next();
    if (it->Valid() && it->key() == key) {
      on_found(i, rocksdb::Status::OK(), it->value());
    } else if (it->status().ok()) {
      on_found(i, rocksdb::Status::NotFound(), rocksdb::Slice());
    } else {
      on_found(i, it->status(), rocksdb::Slice());
    }
  }
}

}  // namespace kachel
