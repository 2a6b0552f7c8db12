#include "bench/micro/store_sample.h"

#include <algorithm>
#include <future>
#include <stdexcept>
#include <utility>

#include "bench/micro/samples.h"

namespace kachel::micro {
namespace {

constexpr std::size_t kPutsAtOnce = 256;
constexpr unsigned kModels = 8;

PutOptions put_options(std::uint64_t number) {
  PutOptions put;
  put.metadata.model = "a-model-" + std::to_string(number % kModels);
  put.metadata.tokens_in = 300;
  put.metadata.tokens_out = 80;
  return put;
}

/// Of puts under way. On the loop's thread until all are in.
struct Answers {
  void add(bool succeeded) {
    if (!succeeded) ++failed;
    if (--left == 0) all_in.set_value();
  }
  std::size_t left = 0;
  std::size_t failed = 0;
  std::promise<void> all_in;
};

}  // namespace

Options sample_options(Durability durability) {
  Options options;
  options.memory_bytes = 512 * kMiB;
  options.durability = durability;
  options.dictionaries.enabled = false;
  return options;
}

StoreSample::StoreSample(const Options& options)
    : store_(LocalStore::open(path(), options).value()), thread_([this] { loop_.run(); }) {
  run([this](UniqueFunction<void()> done) {
    worker_ = store_->store().attach(loop_);
    done();
  });
}

StoreSample::~StoreSample() {
  close();
}

void StoreSample::close() {
  if (!thread_.joinable()) return;
  run([this](UniqueFunction<void()> done) {
    worker_.reset();
    done();
  });
  loop_.stop();
  thread_.join();
  store_->close().value();
}

/// On the loop's thread, until it is done.
void StoreSample::run(const std::function<void(UniqueFunction<void()> done)>& task) {
  std::promise<void> done;
  loop_.post([&] { task([&] { done.set_value(); }); });
  done.get_future().wait();
}

void StoreSample::put(std::uint64_t first, std::size_t count,
                      const std::vector<std::string>& values) {
  for (std::size_t begun = 0; begun < count; begun += kPutsAtOnce) {
    put_batch(first + begun, std::min(kPutsAtOnce, count - begun), values);
    wait_for_room();
  }
}

void StoreSample::put_batch(std::uint64_t first, std::size_t count,
                            const std::vector<std::string>& values) {
  const auto answers = std::make_shared<Answers>();
  answers->left = count + 1;  // this call's own: until then the last answer does not end it
  loop_.post([this, answers, first, count, &values] {
    for (std::uint64_t i = first; i < first + count; ++i) {
      worker_->put({}, sample_key(i), values[i % values.size()], put_options(i),
                   [answers](Result<PutOutcome> result) {
                     answers->add(result && *result == PutOutcome::kStored);
                   });
    }
    answers->add(true);
  });
  answers->all_in.get_future().wait();
  if (answers->failed != 0) throw std::runtime_error("the store has not taken all puts");
}

void StoreSample::wait_for_room() {
  run([this](UniqueFunction<void()> done) {
    if (!worker_->throttled()) return done();
    worker_->when_unthrottled(std::move(done));
  });
}

}  // namespace kachel::micro
