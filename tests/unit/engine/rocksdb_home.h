// The real RocksDB in a StoreWorld, its files on the world's device beside the segments.
#pragma once

#include "storage_file_system.h"
#include "store_world.h"
#include "waiting_index.h"

namespace kachel {

class RocksDbHome final : public IndexHome {
 public:
  explicit RocksDbHome(StoreWorld& world) : storage_(world.storage), device_(world.device) {}

  IndexFactory begin() override {
    files_ = std::make_shared<sim::StorageFileSystem>(device_);
    return sim::waiting(sim::rocksdb_factory(files_), files_);
  }
  void end() override {
    if (files_) files_->die();
  }
  void lose() override {
    storage_.remove_tree("index").value();
    storage_.sync_directory("").value();
  }
  /// Of the life under way.
  sim::Process& process() { return files_->process(); }

 private:
  io::MemoryStorage& storage_;
  io::FaultyStorage& device_;
  std::shared_ptr<sim::StorageFileSystem> files_;
};

inline std::unique_ptr<IndexHome> rocksdb_home(StoreWorld& world) {
  return std::make_unique<RocksDbHome>(world);
}

}  // namespace kachel
