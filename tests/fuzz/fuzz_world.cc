// FuzzWorld: see store_image.h.
#include "tests/fuzz/store_image.h"

namespace kachel::fuzz {
namespace {

// An answer that takes longer than this of simulated time does not come.
constexpr int kWaits = 200;
constexpr std::int64_t kWaitMs = 50;

Options options_of(const StoreImage& image) {
  Options options;
  options.memory_bytes = kMinMemoryBytes;
  options.capacity_bytes = kMinCapacityBytes;
  options.segment_bytes = 64 * 1024;
  options.durability = image.durability;
  return options;
}

void write_file(io::Storage& storage, const std::string& path, Bytes bytes) {
  auto file = storage.open(path, io::OpenMode::kCreate);
  KACHEL_CHECK(file.has_value(), "the image cannot be laid out");
  iovec part{bytes.data(), bytes.size()};
  if (!bytes.empty() && !(*file)->write_at(0, std::span(&part, 1))) std::abort();
  if (!(*file)->sync()) std::abort();
}

void read_files(io::Storage& storage, const std::string& directory,
                std::map<std::string, Bytes>& files) {
  auto names = storage.list(directory);
  KACHEL_CHECK(names.has_value(), "a directory cannot be listed");
  for (const std::string& name : *names) {
    const std::string path = directory.empty() ? name : directory + "/" + name;
    auto file = storage.open(path, io::OpenMode::kRead);
    if (!file || name == "LOCK") continue;  // a directory
    const auto size = (*file)->size();
    Bytes bytes(size ? *size : 0);
    if ((*file)->read_at(0, bytes)) files[path] = std::move(bytes);
  }
}

}  // namespace

FuzzWorld::FuzzWorld(const StoreImage& image)
    : options_(options_of(image)),
      clock_(image.wall_ms),
      boot_id_(image.boot_id),
      index_(std::make_shared<MemoryIndexImage>(image.index)) {
  if (image.files.empty()) return;  // to become a new store
  for (const std::string_view directory : {"segments", "index"}) {
    KACHEL_CHECK(storage_.create_directory(directory).has_value(), "a directory cannot be made");
  }
  for (const auto& [path, bytes] : image.files)
    write_file(storage_, path, bytes);
}

Result<void> FuzzWorld::open() {
  loop_ = std::make_unique<io::ManualLoop>(clock_);
  pool_ = std::make_unique<io::InlinePool>(*loop_);
  auto opened = Store::open(
      {storage_, clock_, random_, *loop_, *pool_, boot_id_, memory_index_factory(index_)},
      options_);
  if (!opened) return opened.error();
  store_ = std::move(*opened);
  worker_ = store_->attach(*loop_);
  loop_->run_until_idle();
  return {};
}

void FuzzWorld::drop() {
  worker_.reset();
  loop_.reset();  // forgets what was under way
  store_.reset();
  pool_.reset();
}

template <typename T, typename Begin>
Result<T> FuzzWorld::wait(Begin begin) {
  auto answer = std::make_shared<std::optional<Result<T>>>();
  begin([answer](Result<T> done) { answer->emplace(std::move(done)); });
  loop_->run_until_idle();
  for (int i = 0; i < kWaits && !answer->has_value(); ++i)
    advance(kWaitMs);
  KACHEL_CHECK(answer->has_value(), "no answer");
  return std::move(**answer);
}

Result<void> FuzzWorld::close() {
  worker_.reset();
  auto closed = wait<void>([&](auto done) { store_->close_async(std::move(done)); });
  drop();
  return closed;
}

Result<PutOutcome> FuzzWorld::put(const Key& key, std::string_view value,
                                  std::int64_t lifetime_ms) {
  PutOptions options;
  if (lifetime_ms != 0) options.expires_at_ms = store_->now_ms() + lifetime_ms;
  return wait<PutOutcome>([&](auto done) {
    worker_->put(key.first, key.second, value, std::move(options), std::move(done));
  });
}

Result<std::optional<std::string>> FuzzWorld::get(const Key& key) {
  auto found = wait<std::optional<Found>>(
      [&](auto done) { worker_->get(key.first, key.second, std::move(done)); });
  if (!found) return found.error();
  if (!*found) return std::optional<std::string>();
  return std::optional<std::string>((*found)->entry->value());
}

Result<EraseOutcome> FuzzWorld::erase(const Key& key) {
  return wait<EraseOutcome>(
      [&](auto done) { worker_->erase(key.first, key.second, {}, std::move(done)); });
}

Result<ExpiryOutcome> FuzzWorld::expire(const Key& key, std::int64_t at_ms) {
  return wait<ExpiryOutcome>([&](auto done) {
    worker_->change_expiry(key.first, key.second, {at_ms, {}, {}}, std::move(done));
  });
}

Result<void> FuzzWorld::erase_all(Namespace space) {
  return wait<void>([&](auto done) { worker_->erase_all(space, std::move(done)); });
}

Result<ScanPage> FuzzWorld::scan(Namespace space, std::uint64_t cursor) {
  return wait<ScanPage>([&](auto done) { worker_->scan(space, cursor, 8, std::move(done)); });
}

void FuzzWorld::save(StoreImage& image) {
  image.files.clear();
  for (const char* directory : {"", "segments"})
    read_files(storage_, directory, image.files);
  image.index = *index_;
  image.boot_id = boot_id_;
  image.wall_ms = clock_.wall_ms();
  image.durability = options_.durability;
}

}  // namespace kachel::fuzz
