#include "tests/simulator/world.h"

#include <algorithm>
#include <utility>

#include "engine/failed_sync.h"
#include "engine/field_key.h"
#include "tests/simulator/storage_file_system.h"
#include "tests/simulator/waiting_index.h"

namespace kachel::sim {
namespace {
const std::string kIndexDirectory = "index";

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace

Options Setup::small_options(Durability durability) {
  Options options;
  options.memory_bytes = 16 * kMiB;
  options.capacity_bytes = 1024 * kMiB;
  options.segment_bytes = 64 * 1024;
  options.durability = durability;
  options.dictionaries.enabled = false;
  options.warm_bytes_per_s = 0;
  options.hot_save_interval = std::chrono::seconds(3);
  return options;
}

World::World(const Setup& chosen, std::uint64_t seed)
    : setup(chosen),
      disk(std::make_unique<io::MemoryStorage>(
          io::MemoryStorageOptions{.capacity_bytes = chosen.device_bytes})),
      storage(std::make_unique<io::FaultyStorage>(*disk, seed)),
      choices(seed + 1),
      space(space_of(chosen.hashes)),
      random_(seed + 2),
      seed_(seed) {
  index_disk->faults = &faults;
}

World::~World() {
  kill();
}

std::unique_ptr<World> World::fork(std::uint64_t seed) const {
  Setup calm = setup;
  calm.slow_io_percent = 0;
  auto copy = std::make_unique<World>(calm, seed);
  copy->clock.set_wall_ms(clock.wall_ms());
  copy->disk = disk->clone();
  copy->storage = std::make_unique<io::FaultyStorage>(*copy->disk, seed);
  copy->index_disk->durable = index_disk->durable;
  copy->index_disk->pending = index_disk->pending;
  copy->boots_ = boots_;
  copy->space = space;
  return copy;
}

IndexFactory World::index_factory() {
  if (setup.index == IndexKind::kMemory) return sim_index_factory(index_disk, *loop_, choices);
  files_ = std::make_shared<StorageFileSystem>(*storage);
  const auto observe = [this](bool is_flushing) {
    if (is_flushing && index_disk->on_flush) index_disk->on_flush();
    // Not while a thread of RocksDB's tells the observer of a change.
    (void)files_->process().look([&]() -> Result<void> {
      flushing_ = is_flushing;
      return {};
    });
    if (!is_flushing && index_disk->after_flush) index_disk->after_flush();
  };
  return moody(waiting(rocksdb_factory(files_), files_, observe), index_disk, choices);
}

std::string World::boot_id() const {
  std::string text = std::to_string(boots_);
  return std::string(32 - text.size(), '0') + text;
}

Result<void> World::open() {
  loop_ = std::make_unique<io::ManualLoop>(
      clock, io::ManualLoopOptions{seed_ + 3, setup.slow_io_percent, setup.slow_io_max_ms});
  pool_ = std::make_unique<io::InlinePool>(*loop_);
  thread_ = std::this_thread::get_id();
  index_disk->is_running = false;
  index_disk->pending.reset();
  auto opened = Store::open({*storage, clock, random_, *loop_, *pool_, boot_id(), index_factory()},
                            setup.options);
  if (!opened) {
    kill();
    return opened.error();
  }
  store = std::move(*opened);
  if (setup.quota_bytes != 0) store->set_quotas({{space.tenant, setup.quota_bytes}});
  worker = store->attach(*loop_);
  index_disk->is_running = true;
  run();
  return {};
}

void World::kill() {
  if (files_) files_->die();
  if (loop_) loop_->cancel_io();
  worker.reset();
  loop_.reset();  // forgets what was under way
  store.reset();
  pool_.reset();
  files_.reset();
  flushing_ = false;
}

void World::cut_power(io::CrashOutcome& outcome) {
  disk->crash(outcome);
  if (index_disk->pending && choices.one_in(2)) index_disk->durable = *index_disk->pending;
  index_disk->pending.reset();
  ++boots_;
}

bool World::knows_of_failed_sync() const {
  return has_failed_sync(*disk).value();
}

bool World::evict() {
  if (!knows_of_failed_sync() || !choices.one_in(2)) return false;
  DrawnCrash kept(choices);
  disk->evict(kept);
  faults.note(FaultClass::kEviction);
  return true;
}

Result<void> World::close() {
  worker.reset();
  std::optional<Result<void>> closed;
  store->close_async([&](Result<void> result) { closed = std::move(result); });
  settle([&] { return closed.has_value(); });
  kill();
  return *closed;
}

void World::lose_index() {
  index_disk->durable = {};
  index_disk->pending.reset();
  if (setup.index == IndexKind::kMemory) return;
  disk->remove_tree(kIndexDirectory).value();
  disk->sync_directory("").value();
}

void World::back_up_index() {
  index_backup_ = {index_disk->durable, {}};
  if (setup.index == IndexKind::kMemory) return;
  const auto names = disk->list(kIndexDirectory);
  for (const std::string& name : names ? *names : std::vector<std::string>()) {
    const auto file = disk->open(kIndexDirectory + "/" + name, io::OpenMode::kRead).value();
    std::vector<std::byte>& bytes = index_backup_->files[name];
    bytes.resize(file->size().value());
    (void)file->read_at(0, bytes).value();
  }
}

bool World::restore_index() {
  if (!index_backup_) return false;
  lose_index();
  index_disk->durable = index_backup_->rows;
  if (setup.index == IndexKind::kMemory) return true;
  disk->create_directory(kIndexDirectory).value();
  for (auto& [name, bytes] : index_backup_->files) {
    const auto file = disk->open(kIndexDirectory + "/" + name, io::OpenMode::kCreate).value();
    iovec part{bytes.data(), bytes.size()};
    if (!file->write_at(0, {&part, 1})) {  // a full disk
      lose_index();
      return true;
    }
    file->sync().value();
  }
  disk->sync_directory(kIndexDirectory).value();
  disk->sync_directory("").value();
  return true;
}

Result<std::optional<Sighting>> World::get(std::string_view key) {
  std::optional<Result<std::optional<Sighting>>> answer;
  worker->get(space, key, [&](Result<std::optional<Found>> found) {
    if (!found) {
      answer.emplace(found.error());
    } else if (!*found) {
      answer.emplace(std::optional<Sighting>());
    } else {
      answer.emplace(Sighting{std::string((*found)->entry->value()), (*found)->expires_at_ms});
    }
  });
  settle([&] { return answer.has_value(); });
  return std::move(*answer);
}

Result<std::optional<std::string>> World::receipt(const ReceiptId& id) {
  std::optional<Result<std::optional<std::string>>> answer;
  worker->receipt(space.tenant, id, [&](auto text) { answer.emplace(std::move(text)); });
  settle([&] { return answer.has_value(); });
  return std::move(*answer);
}

Result<std::vector<HoldInfo>> World::holds() {
  std::optional<Result<std::vector<HoldInfo>>> answer;
  worker->list_holds(space.tenant, [&](auto holds) { answer.emplace(std::move(holds)); });
  settle([&] { return answer.has_value(); });
  return std::move(*answer);
}

std::string World::key_text(std::size_t key, bool hashes) {
  const std::string name = key_name(key);
  if (!hashes) return name;
  return std::string(field_key(hash_name(key % kHashes), name));
}

template <typename Page, typename Ask, typename Take>
void World::list(Ask ask, Take take) {
  std::uint64_t cursor = 0;
  do {
    std::optional<Result<Page>> page;
    ask(cursor, [&](Result<Page> got) { page.emplace(std::move(got)); });
    settle([&] { return page.has_value(); });
    if (!*page) throw Violation("a listing failed: " + page->error().message);
    take(**page);
    cursor = (*page)->cursor;
  } while (cursor != 0);
}

std::vector<std::string> World::scan() {
  std::vector<std::string> keys;
  if (!setup.hashes) {
    list<ScanPage>(
        [&](auto cursor, auto done) { worker->scan(space, cursor, 7, std::move(done)); },
        [&](const ScanPage& page) { keys.insert(keys.end(), page.keys.begin(), page.keys.end()); });
    return sorted(std::move(keys));
  }
  for (std::size_t hash = 0; hash < kHashes; ++hash) {
    list<FieldPage>(
        [&](auto cursor, auto done) {
          worker->list_fields(strings(), hash_name(hash), cursor, 3, Texts::kRead, std::move(done));
        },
        [&](const FieldPage& page) {
          for (const HashField& field : page.fields)
            keys.emplace_back(field.name);
        });
  }
  const std::size_t listed = keys.size();
  keys = sorted(std::move(keys));
  if (keys.size() != listed) throw Violation("a field was listed twice");
  return keys;
}

std::vector<std::string> World::scan_hashes() {
  std::vector<std::string> names;
  list<ScanPage>(
      [&](auto cursor, auto done) {
        worker->scan_hashes(strings(), cursor, 1, Texts::kRead, std::move(done));
      },
      [&](const ScanPage& page) { names.insert(names.end(), page.keys.begin(), page.keys.end()); });
  return sorted(std::move(names));
}

bool World::has_hash(const std::string& name) {
  std::optional<Result<std::optional<Glimpse>>> answer;
  worker->glimpse_hash(strings(), name, [&](auto found) { answer.emplace(std::move(found)); });
  settle([&] { return answer.has_value(); });
  if (!*answer) throw Violation("a hash could not be looked up: " + answer->error().message);
  return (*answer)->has_value();
}

}  // namespace kachel::sim
