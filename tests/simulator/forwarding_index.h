// An index that passes everything on: what wraps another one overrides what it alters.
#pragma once

#include <memory>
#include <utility>

#include "engine/index.h"

namespace kachel::sim {

class ForwardingIndex : public Index {
 public:
  explicit ForwardingIndex(std::unique_ptr<Index> index) : index_(std::move(index)) {}

  Lookup find(const RowKey& key, Where where) const override { return index_->find(key, where); }
  Result<std::vector<std::pair<Mac, Row>>> list(Namespace space, const Mac& from,
                                                std::size_t limit) const override {
    return index_->list(space, from, limit);
  }
  Result<void> apply(std::span<const IndexChange> changes) override {
    return index_->apply(changes);
  }
  Result<void> put_fence(const Fence& fence) override { return index_->put_fence(fence); }
  Result<void> put_hold(const Hold& hold) override { return index_->put_hold(hold); }
  Result<void> drop_hold(const Mac& id) override { return index_->drop_hold(id); }
  Result<void> drop_fence(const Fence& fence) override { return index_->drop_fence(fence); }
  void flush(const Marker& marker, std::span<const SegmentCounts> counts, Done done) override {
    index_->flush(marker, counts, std::move(done));
  }
  void when_settled(UniqueFunction<void()> done) override { index_->when_settled(std::move(done)); }
  void compact(const Marker& marker, std::span<const SegmentCounts> counts, Done flushed,
               Done done) override {
    index_->compact(marker, counts, std::move(flushed), std::move(done));
  }
  void abort_compaction() override { index_->abort_compaction(); }
  bool is_full() const override { return index_->is_full(); }
  Result<void> resume() override { return index_->resume(); }
  Result<void> copy_to(const std::string& directory) const override {
    return index_->copy_to(directory);
  }
  Result<std::optional<Marker>> marker() const override { return index_->marker(); }
  Result<std::vector<SegmentCounts>> counts() const override { return index_->counts(); }
  Result<std::vector<Fence>> fences() const override { return index_->fences(); }
  Result<std::vector<Hold>> holds() const override { return index_->holds(); }
  void start_housekeeping() override { index_->start_housekeeping(); }
  void set_memory(std::uint64_t bytes) override { index_->set_memory(bytes); }
  IndexUsage usage() const override { return index_->usage(); }

 protected:
  const std::unique_ptr<Index> index_;
};

}  // namespace kachel::sim
