#include <fstream>
#include <future>
#include <thread>

#include "engine/kachel.h"
#include "io/asio_loop.h"
#include "io/posix_storage.h"
#include "io/thread_pool.h"

namespace kachel {
namespace {

constexpr std::size_t kPoolThreads = 2;

/// A loop on a thread of its own.
class LoopThread {
 public:
  LoopThread() : thread_([this] { loop_.run(); }) {}
  ~LoopThread() {
    loop_.stop();
    thread_.join();
  }
  io::AsioLoop& loop() { return loop_; }

  /// Runs `task` on the loop and waits until it has run.
  void run(UniqueFunction<void()> task) {
    std::promise<void> done;
    loop_.post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  io::AsioLoop loop_;
  std::thread thread_;
};

}  // namespace

std::string host_boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  file >> text;
  std::erase(text, '-');
  return text;  // empty where there is none: every start then counts as one after a reboot
}

struct LocalStore::State {
  // In order of construction: the store goes before the loops, the loops before the rest.
  std::unique_ptr<io::Storage> storage;
  io::SystemClock clock;
  io::SystemRandom random;
  std::unique_ptr<io::ThreadPool> pool = std::make_unique<io::ThreadPool>(kPoolThreads);
  LoopThread log_thread;
  LoopThread worker_thread;
  std::unique_ptr<Store> store;
  std::unique_ptr<Worker> worker;
  bool closed = false;

  template <typename T, typename Begin>
  Result<T> ask(Begin begin) {
    std::promise<Result<T>> answer;
    worker_thread.loop().post(
        [&] { begin([&answer](Result<T> result) { answer.set_value(std::move(result)); }); });
    return answer.get_future().get();
  }
};

LocalStore::LocalStore(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<LocalStore>> LocalStore::open(const std::filesystem::path& directory,
                                                     const Options& options) {
  io::PosixStorageOptions storage_options;
  storage_options.create = options.create_if_missing;
  auto storage = io::open_posix_storage(directory, storage_options);
  if (!storage) return storage.error();
  auto state = std::make_unique<State>();
  state->storage = std::move(*storage);
  auto store = Store::open({*state->storage, state->clock, state->random, state->log_thread.loop(),
                            *state->pool, host_boot_id(), nullptr},
                           options);
  if (!store) return store.error();
  state->store = std::move(*store);
  state->worker_thread.run(
      [&] { state->worker = state->store->attach(state->worker_thread.loop()); });
  return std::unique_ptr<LocalStore>(new LocalStore(std::move(state)));
}

LocalStore::~LocalStore() {
  (void)close();
}

Result<void> LocalStore::close() {
  if (state_->closed) return {};
  state_->closed = true;
  state_->worker_thread.run([this] { state_->worker.reset(); });
  auto closed = state_->store->close();
  state_->pool.reset();  // its last work may still post to the loops
  return closed;
}

Store& LocalStore::store() {
  return *state_->store;
}

Result<std::optional<Found>> LocalStore::get(std::string_view key, Namespace space) {
  return state_->ask<std::optional<Found>>(
      [&](auto done) { state_->worker->get(space, key, std::move(done)); });
}

Result<PutOutcome> LocalStore::put(std::string_view key, std::string_view value, PutOptions options,
                                   Namespace space) {
  return state_->ask<PutOutcome>([&](auto done) {
    state_->worker->put(space, key, value, std::move(options), std::move(done));
  });
}

Result<EraseOutcome> LocalStore::erase(std::string_view key, Namespace space) {
  return state_->ask<EraseOutcome>(
      [&](auto done) { state_->worker->erase(space, key, std::nullopt, std::move(done)); });
}

}  // namespace kachel
