// Direct reads of 4 KiB from a file of 64 MiB: by io_uring, by the threads that stand in for it
// where it is refused, and by pread alone. TMPDIR says on which disk.
#include <benchmark/benchmark.h>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

#include "bench/micro/samples.h"
#include "io/blocking_queue.h"
#include "io/posix_file.h"
#include "io/posix_storage.h"
#include "io/random.h"
#include "io/uring_queue.h"
#include "tests/contract/temp_directory.h"

namespace kachel::micro {
namespace {

constexpr std::size_t kFileBytes = std::size_t{64} << 20;
constexpr std::size_t kRoundReads = 64;

/// On the disk, and not in the page cache.
struct FileSample {
  explicit FileSample(std::int64_t bytes)
      : storage(io::open_posix_storage(directory.path(), {}).value()),
        file(storage->open("data", io::OpenMode::kCreate).value()) {
    std::vector<std::byte> content(static_cast<std::size_t>(bytes));
    io::SeededRandom(1).fill(content);
    iovec part{content.data(), content.size()};
    file->write_at(0, {&part, 1}).value();
    file->sync().value();
    file->drop_cache(0, content.size());
  }
  bool is_direct() const { return io::as_posix_file(*file)->is_direct(); }

  io::TempDirectory directory;
  std::unique_ptr<io::Storage> storage;
  std::unique_ptr<io::File> file;
};

constexpr const char* kNoDirectReads =
    "the file system refuses O_DIRECT: set TMPDIR to a directory of another";

std::uint64_t any_block(io::SeededRandom& random) {
  return random.next() % (kFileBytes / io::kBlockBytes) * io::kBlockBytes;
}

/// Keeps `depth` reads under way, and in the end waits for all.
class Reader {
 public:
  Reader(io::PolledQueue& queue, io::File& file, std::size_t depth)
      : queue_(queue), requests_(depth) {
    for (io::IoRequest& request : requests_) {
      buffers_.push_back(queue.acquire_buffer(io::kBlockBytes));
      request.file = &file;
      request.data = buffers_.back().data();
      request.length = io::kBlockBytes;
      request.buffer_index = buffers_.back().registered_index();
      request.context = this;
      request.on_complete = [](io::IoRequest& done) {
        static_cast<Reader*>(done.context)->on_complete(done);
      };
    }
  }

  void read(std::size_t count) {
    left_ = count;
    for (io::IoRequest& request : requests_)
      submit(request);
    io::run_until_idle(queue_);
  }

 private:
  void submit(io::IoRequest& request) {
    if (left_ == 0) return;
    --left_;
    request.offset = any_block(random_);
    queue_.submit(request);
  }
  void on_complete(io::IoRequest& request) {
    if (request.error != 0 || request.transferred != io::kBlockBytes) {
      throw std::runtime_error("a read has failed");
    }
    submit(request);
  }

  io::PolledQueue& queue_;
  std::vector<io::IoRequest> requests_;
  std::vector<io::PooledBuffer> buffers_;
  io::SeededRandom random_{1};
  std::size_t left_ = 0;
};

void read_through(benchmark::State& state, io::PolledQueue& queue, FileSample& sample) {
  Reader reader(queue, *sample.file, static_cast<std::size_t>(state.range(0)));
  while (state.KeepRunningBatch(kRoundReads))
    reader.read(kRoundReads);
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(io::kBlockBytes));
}

void read_by_ring(benchmark::State& state) {
  auto& sample = kept<FileSample>(kFileBytes);
  if (!sample.is_direct()) return state.SkipWithError(kNoDirectReads);
  const auto ring = io::UringQueue::create({});
  if (!ring) return state.SkipWithError(ring.error().message.c_str());
  read_through(state, **ring, sample);
  if (!(*ring)->unregistered_reason().empty()) state.SetLabel("memory not registered");
}

void read_by_threads(benchmark::State& state) {
  auto& sample = kept<FileSample>(kFileBytes);
  if (!sample.is_direct()) return state.SkipWithError(kNoDirectReads);
  io::BlockingQueue queue;
  read_through(state, queue, sample);
}

void read_by_pread(benchmark::State& state) {
  auto& sample = kept<FileSample>(kFileBytes);
  if (!sample.is_direct()) return state.SkipWithError(kNoDirectReads);
  const int fd = io::as_posix_file(*sample.file)->read_fd();
  io::BufferPool buffers(1, io::kBlockBytes);
  const io::PooledBuffer buffer = buffers.acquire(io::kBlockBytes);
  io::SeededRandom random(1);
  for (auto _ : state) {
    const auto bytes =
        ::pread(fd, buffer.data(), io::kBlockBytes, static_cast<off_t>(any_block(random)));
    if (bytes != static_cast<ssize_t>(io::kBlockBytes))
      throw std::runtime_error("pread has failed");
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(io::kBlockBytes));
}

// The CPU is that of all threads.
BENCHMARK(read_by_pread)->Name("ring/pread")->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(read_by_ring)
    ->Name("ring/io_uring")
    ->Arg(1)
    ->Arg(8)
    ->Arg(32)
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK(read_by_threads)
    ->Name("ring/threads")
    ->Arg(1)
    ->Arg(8)
    ->Arg(32)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
}  // namespace kachel::micro
