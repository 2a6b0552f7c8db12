// The fixture of the index contract: an index that can be crashed and opened again.
#pragma once

#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <utility>
#include <vector>

#include "index_backend.h"
#include "io/random.h"

namespace kachel {

class IndexContract : public testing::TestWithParam<IndexBackendCase> {
 protected:
  void SetUp() override { open(); }
  void TearDown() override { index.reset(); }

  static format::StoreId store_id(int number = 1) {
    format::StoreId id{};
    id[0] = static_cast<std::byte>(number);
    return id;
  }
  Result<void> try_open(IndexRequest request) {
    request.memory_bytes = 8 << 20;
    auto opened = backend->open(request);
    if (!opened) return opened.error();
    index = std::move(*opened);
    return {};
  }
  void open(bool wipe = false) {
    const auto opened = try_open({.store_id = store_id(), .filter = filter, .wipe = wipe});
    ASSERT_TRUE(opened) << opened.error().message;
  }
  void crash() { backend->crash(std::move(index)); }
  void restart() {
    crash();
    open();
  }

  Result<void> flush(std::uint64_t applied_through, std::vector<SegmentCounts> counts = {}) {
    return start_flush(applied_through, std::move(counts)).get();
  }
  std::future<Result<void>> start_flush(std::uint64_t applied_through,
                                        std::vector<SegmentCounts> counts = {}) {
    auto flushed = std::make_shared<std::promise<Result<void>>>();
    index->flush({store_id(), applied_through, {{7, 4096}}}, counts,
                 [flushed](Result<void> result) { flushed->set_value(std::move(result)); });
    return flushed->get_future();
  }
  Result<void> compact(std::uint64_t applied_through) {
    auto flushed = std::make_shared<std::promise<Result<void>>>();
    auto compacted = std::make_shared<std::promise<Result<void>>>();
    auto settled = std::make_shared<std::promise<void>>();
    index->when_settled([settled] { settled->set_value(); });
    settled->get_future().wait();
    index->compact(
        {store_id(), applied_through, {{7, 4096}}}, {},
        [flushed](Result<void> result) { flushed->set_value(std::move(result)); },
        [compacted](Result<void> result) { compacted->set_value(std::move(result)); });
    if (auto result = flushed->get_future().get(); !result) return result;
    return compacted->get_future().get();
  }
  /// 0: there is none.
  std::uint64_t applied_through() {
    const auto marker = index->marker().value();
    return marker ? marker->applied_through : 0;
  }

  void put(const RowKey& key, const Row& row) {
    const IndexChange change{key, row};
    ASSERT_TRUE(index->apply(std::span(&change, 1)));
  }
  void remove(const RowKey& key) {
    const IndexChange change{key, std::nullopt};
    ASSERT_TRUE(index->apply(std::span(&change, 1)));
  }
  Lookup find(const RowKey& key) { return index->find(key, Where::kAnywhere); }

  /// The i-th in MAC order.
  static RowKey key(std::uint32_t i, Namespace space = {}) {
    RowKey key{space, {}};
    for (int byte = 0; byte < 4; ++byte)
      key.mac.bytes[static_cast<std::size_t>(3 - byte)] = static_cast<std::byte>(i >> (8 * byte));
    return key;
  }
  /// A MAC of its own in every byte, as real ones are.
  static RowKey random_key(std::uint64_t seed) {
    RowKey key;
    io::SeededRandom(seed + 1).fill(key.mac.bytes);
    return key;
  }
  static Row row(std::uint64_t sequence, std::uint64_t segment_id = 1) {
    return {segment_id, 4096 + sequence * 8, 64, sequence, sequence, 0, 100, 0, 0};
  }

  std::unique_ptr<IndexBackend> backend = GetParam().make();
  const RowFilter* filter = nullptr;
  std::unique_ptr<Index> index;
};

}  // namespace kachel
