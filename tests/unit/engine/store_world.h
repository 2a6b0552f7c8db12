// A whole store on simulated storage, clock and loop: everything happens on the test's
// thread, when told. Restarts keep what a kill or a power cut would keep.
#pragma once

#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/memory_index.h"
#include "engine/store.h"
#include "io/clock.h"
#include "io/faulty_storage.h"
#include "io/manual_loop.h"
#include "io/memory_storage.h"
#include "io/random.h"

namespace kachel {

/// Does not compress.
inline std::string noise(std::uint64_t seed, std::size_t bytes) {
  io::SeededRandom random(seed);
  std::string value(bytes, ' ');
  random.fill(std::as_writable_bytes(std::span(value)));
  return value;
}

/// What is put is about these.
inline PutOptions about(std::vector<ZeroizingString> subjects, std::string model = "") {
  PutOptions options;
  options.metadata.subjects = std::move(subjects);
  options.metadata.model = std::move(model);
  return options;
}

/// Which index a world has, and where that is kept while nothing runs.
class IndexHome {
 public:
  virtual ~IndexHome() = default;
  /// A process begins.
  virtual IndexFactory begin() = 0;
  /// It ends: what it has under way changes nothing any more.
  virtual void end() {}
  /// All of it is gone. Nothing runs.
  virtual void lose() = 0;
};

class MemoryIndexHome final : public IndexHome {
 public:
  IndexFactory begin() override { return memory_index_factory(image_); }
  void lose() override { *image_ = {}; }
  MemoryIndexImage& image() { return *image_; }

 private:
  std::shared_ptr<MemoryIndexImage> image_ = std::make_shared<MemoryIndexImage>();
};

class StoreWorld {
 public:
  using MakeHome = std::unique_ptr<IndexHome> (*)(StoreWorld& world);
  static std::unique_ptr<IndexHome> memory_home(StoreWorld&) {
    return std::make_unique<MemoryIndexHome>();
  }

  explicit StoreWorld(Options chosen = small_options(),
                      std::optional<std::uint64_t> chosen_seed = {},
                      MakeHome make_home = memory_home)
      : options(chosen), seed(chosen_seed), index(make_home(*this)) {
    open();
  }
  ~StoreWorld() { drop(); }

  static Options small_options() {
    Options options;
    options.memory_bytes = 16 * kMiB;
    options.capacity_bytes = 64 * kMiB;
    options.segment_bytes = 256 * 1024;
    return options;
  }

  void open() {
    const Result<void> opened = try_open();
    if (!opened) FAIL() << opened.error().message;
  }
  Result<void> try_open() {
    loop_ = std::make_unique<io::ManualLoop>(clock, io::ManualLoopOptions{seed});
    pool_ = std::make_unique<io::InlinePool>(*loop_);
    if (keeps_work) pool_->keep_work();
    auto opened =
        Store::open({device, clock, random, *loop_, *pool_, boot_id,
                     index_factory ? index_factory : index->begin(),
                     [this](const ErasureOutlook& outlook) { alarms.push_back(outlook); }},
                    options);
    if (!opened) return opened.error();
    store = std::move(*opened);
    worker = store->attach(*loop_);
    loop_->run_until_idle();
    return {};
  }
  /// As kill -9: what the kernel has stays, the index's unflushed rows do not.
  void kill() {
    drop();
    open();
  }
  void power_cut() {
    drop();
    storage.crash();
    boot_id[0] = boot_id[0] == '1' ? '2' : '1';
    open();
  }
  void lose_index() { index->lose(); }
  Result<void> close() {
    std::optional<Result<void>> closed;
    worker.reset();
    store->close_async([&](Result<void> result) { closed = std::move(result); });
    for (int i = 0; i < 100 && !closed; ++i)
      advance(10);
    EXPECT_TRUE(closed.has_value());
    drop();
    return closed.value_or(Result<void>(Error{}));
  }
  /// Begins a stop and gives it so many steps of the loop; nothing when it has not ended then.
  std::optional<Result<void>> try_close(std::size_t steps) {
    auto closed = std::make_shared<std::optional<Result<void>>>();
    worker.reset();
    store->close_async([closed](Result<void> result) { *closed = std::move(result); });
    for (std::size_t i = 0; i < steps && !*closed; ++i) {
      if (!loop_->run_one()) clock.advance_ms(1);
    }
    return *closed;
  }
  void drop() {
    index->end();
    worker.reset();
    loop_.reset();  // forgets what was under way
    store.reset();
    pool_.reset();
  }

  void run() { loop_->run_until_idle(); }
  /// The next thing there is to do, or a millisecond.
  void step() {
    if (!loop_->run_one()) clock.advance_ms(1);
  }
  io::Loop& log_loop() { return *loop_; }
  void advance(std::int64_t ms) { loop_->advance_ms(ms); }
  /// Twice a second, as what waits for deadlines looks.
  void let_pass(std::chrono::milliseconds time) {
    for (std::int64_t passed_ms = 0; passed_ms < time.count(); passed_ms += 500)
      advance(500);
  }

  PutOutcome put(std::string_view key, std::string_view value, PutOptions put_options = {}) {
    return wait<PutOutcome>([&](auto done) {
      worker->put(space, key, value, std::move(put_options), std::move(done));
    });
  }
  std::optional<Found> find(std::string_view key) {
    return wait<std::optional<Found>>([&](auto done) { worker->get(space, key, std::move(done)); });
  }
  std::optional<std::string> get(std::string_view key) {
    auto found = find(key);
    if (!found) return std::nullopt;
    return std::string(found->entry->value());
  }
  EraseOutcome erase(std::string_view key, std::optional<std::uint64_t> if_version = {}) {
    return wait<EraseOutcome>(
        [&](auto done) { worker->erase(space, key, if_version, std::move(done)); });
  }
  static EraseRequest erase_of(std::string_view name, EraseKind kind = EraseKind::kSubject) {
    EraseRequest request;
    request.kind = kind;
    request.names.emplace_back(name);
    return request;
  }
  Result<ReceiptId> try_erase(EraseRequest request) {
    std::optional<Result<ReceiptId>> id;
    worker->request_erase(std::move(request), [&](auto done) { id = std::move(done); });
    settle([&] { return id.has_value(); });
    return id.value_or(Error{ErrorCode::kIo, "not answered"});
  }
  ReceiptId erase_for_good(EraseRequest request) {
    const auto id = try_erase(std::move(request));
    EXPECT_TRUE(id) << id.error().message;
    return id ? *id : ReceiptId{};
  }
  /// The receipt as JSON; nothing when it is not known.
  std::optional<std::string> receipt(const ReceiptId& id) {
    return wait<std::optional<std::string>>(
        [&](auto done) { worker->receipt(space.tenant, id, std::move(done)); });
  }
  Result<HoldId> try_hold(std::optional<ZeroizingString> subject, std::string reason = "case 1") {
    std::optional<Result<HoldId>> id;
    worker->place_hold({space.tenant, std::move(subject), std::move(reason)},
                       [&](auto done) { id = std::move(done); });
    settle([&] { return id.has_value(); });
    return id.value_or(Error{ErrorCode::kIo, "not answered"});
  }
  HoldId hold(std::optional<ZeroizingString> subject, std::string reason = "case 1") {
    const auto id = try_hold(std::move(subject), std::move(reason));
    EXPECT_TRUE(id) << id.error().message;
    return id ? *id : HoldId{};
  }
  Result<void> release(const HoldId& id, std::string reason = "") {
    std::optional<Result<void>> result;
    worker->release_hold(space.tenant, id, std::move(reason),
                         [&](Result<void> done) { result = std::move(done); });
    settle([&] { return result.has_value(); });
    return result.value_or(Result<void>(Error{ErrorCode::kIo, "not answered"}));
  }
  std::vector<HoldInfo> holds() {
    return wait<std::vector<HoldInfo>>(
        [&](auto done) { worker->list_holds(space.tenant, std::move(done)); });
  }
  ExpiryOutcome expire(std::string_view key, ExpiryChange change) {
    return wait<ExpiryOutcome>(
        [&](auto done) { worker->change_expiry(space, key, change, std::move(done)); });
  }
  std::optional<Glimpse> glimpse(std::string_view key) {
    return wait<std::optional<Glimpse>>(
        [&](auto done) { worker->glimpse(space, key, std::move(done)); });
  }
  bool erase_all() {
    std::optional<Result<void>> result;
    worker->erase_all(space, [&](Result<void> done) { result = std::move(done); });
    settle([&] { return result.has_value(); });
    return result && result->has_value();
  }
  std::vector<std::string> scan_all(std::size_t page) {
    std::vector<std::string> keys;
    std::uint64_t cursor = 0;
    do {
      const auto got =
          wait<ScanPage>([&](auto done) { worker->scan(space, cursor, page, std::move(done)); });
      keys.insert(keys.end(), got.keys.begin(), got.keys.end());
      cursor = got.cursor;
    } while (cursor != 0);
    return keys;
  }

  /// Whether the text is in any file of the store.
  bool is_on_disk(const std::string& text, const std::string& directory = "") {
    const auto names = storage.list(directory);
    if (!names) return false;
    for (const std::string& name : *names) {
      const std::string path = directory.empty() ? name : directory + "/" + name;
      if (is_on_disk(text, path)) return true;
      const auto file = storage.open(path, io::OpenMode::kRead);
      if (!file) continue;
      std::string bytes((*file)->size().value(), '\0');
      (void)(*file)->read_at(0, std::as_writable_bytes(std::span(bytes.data(), bytes.size())));
      if (bytes.find(text) != std::string::npos) return true;
    }
    return false;
  }

  template <typename Condition>
  void settle(Condition done) {
    run();
    for (int i = 0; i < 200 && !done(); ++i)
      advance(50);
  }

  Options options;
  io::MemoryStorage storage;
  io::FaultyStorage device{storage};
  io::ManualClock clock;
  io::SeededRandom random{7};
  IndexFactory index_factory;  // for the next start: another one than of `index`
  std::string boot_id = "10000000000000000000000000000000";
  bool keeps_work = false;  // from the next start on: InlinePool::keep_work()
  Namespace space{};
  std::vector<ErasureOutlook> alarms;
  const std::optional<std::uint64_t> seed;
  std::unique_ptr<IndexHome> index;
  std::unique_ptr<Store> store;
  std::unique_ptr<Worker> worker;

 private:
  template <typename T, typename Begin>
  T wait(Begin begin) {
    T answer{};
    Result<void> result = Error{ErrorCode::kIo, "no answer"};
    bool answered = false;
    begin([&](Result<T> done) {
      answered = true;
      if (done) {
        answer = std::move(*done);
        result = Result<void>();
      } else {
        result = done.error();
      }
    });
    settle([&] { return answered; });
    if (!result) ADD_FAILURE() << result.error().message;
    return answer;
  }

  std::unique_ptr<io::ManualLoop> loop_;
  std::unique_ptr<io::InlinePool> pool_;
};

/// What the index of a world with a MemoryIndexHome has on its disk.
inline MemoryIndexImage& image_of(StoreWorld& world) {
  return static_cast<MemoryIndexHome&>(*world.index).image();
}

/// Text that compresses about as completions do, different for each seed.
inline std::string some_text(std::uint64_t seed, std::size_t bytes) {
  static constexpr std::string_view kWords[] = {"the ",  "cache ", "model ", "answers ", "with ",
                                                "heat ", "tile ",  "and ",   "keeps ",   "it "};
  io::SeededRandom random(seed);
  std::string text;
  while (text.size() < bytes)
    text += kWords[random.next() % std::size(kWords)];
  text.resize(bytes);
  return text;
}

}  // namespace kachel
