#include "index_backend.h"

#include "engine/memory_index.h"
#include "engine/rocksdb_index.h"
#include "io/memory_storage.h"
#include "io/posix_storage.h"
#include "storage_file_system.h"
#include "temp_directory.h"

namespace kachel {
namespace {

class MemoryBackend final : public IndexBackend {
 public:
  Result<std::unique_ptr<Index>> open(const IndexRequest& request) override {
    return memory_index_factory(image_)(request);
  }
  void crash(std::unique_ptr<Index> index) override { index.reset(); }
  io::Storage* storage() override { return nullptr; }

 private:
  std::shared_ptr<MemoryIndexImage> image_ = std::make_shared<MemoryIndexImage>();
};

/// On the host's file system, where the process can only be ended by closing its database; which
/// must not write.
class HostBackend final : public IndexBackend {
 public:
  Result<std::unique_ptr<Index>> open(const IndexRequest& request) override {
    if (request.wipe) {
      if (auto removed = storage_->remove_tree("index"); !removed) return removed.error();
    }
    if (auto made = storage_->create_directory("index"); !made) return made.error();
    RocksDbIndexOptions options;
    options.path = storage_->native_root() + "/index";
    options.store_id = request.store_id;
    options.memory_bytes = request.memory_bytes;
    options.filter = request.filter;
    return open_rocksdb_index(options);
  }
  void crash(std::unique_ptr<Index> index) override { index.reset(); }
  io::Storage* storage() override { return storage_.get(); }

 private:
  io::TempDirectory directory_;
  std::unique_ptr<io::Storage> storage_ = io::open_posix_storage(directory_.path(), {}).value();
};

enum class Crash { kKill, kPowerCut, kTornPowerCut };

class SimulatedBackend final : public IndexBackend {
 public:
  explicit SimulatedBackend(Crash crash) : crash_(crash) {
    storage_.create_directory("index").value();
    storage_.sync_directory("").value();
  }
  ~SimulatedBackend() override { files_->die(); }

  Result<std::unique_ptr<Index>> open(const IndexRequest& request) override {
    return factory_(request);
  }
  void crash(std::unique_ptr<Index> index) override {
    files_->die();
    if (crash_ == Crash::kPowerCut) storage_.crash();
    if (crash_ == Crash::kTornPowerCut) {
      io::KeepAtRandom outcome(random_);
      storage_.crash(outcome);
    }
    index.reset();
    files_ = std::make_shared<sim::StorageFileSystem>(storage_);
    factory_ = sim::rocksdb_factory(files_);
  }
  io::Storage* storage() override { return &storage_; }

 private:
  const Crash crash_;
  io::SeededRandom random_{7};
  io::MemoryStorage storage_;
  std::shared_ptr<sim::StorageFileSystem> files_ =
      std::make_shared<sim::StorageFileSystem>(storage_);
  IndexFactory factory_ = sim::rocksdb_factory(files_);
};

template <typename Backend, auto... kArguments>
std::unique_ptr<IndexBackend> make() {
  return std::make_unique<Backend>(kArguments...);
}

}  // namespace

std::vector<IndexBackendCase> index_backends_with_files() {
  return {
      {"RocksDbOnHost", make<HostBackend>},
      {"RocksDbKilled", make<SimulatedBackend, Crash::kKill>},
      {"RocksDbPowerCut", make<SimulatedBackend, Crash::kPowerCut>},
      {"RocksDbTornPowerCut", make<SimulatedBackend, Crash::kTornPowerCut>},
  };
}

std::vector<IndexBackendCase> all_index_backends() {
  std::vector<IndexBackendCase> all = index_backends_with_files();
  all.push_back({"Memory", make<MemoryBackend>});
  return all;
}

}  // namespace kachel
