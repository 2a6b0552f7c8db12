#include "backend.h"

#include "io/blocking_queue.h"
#include "io/faulty_storage.h"
#include "io/manual_loop.h"
#include "io/memory_storage.h"
#include "io/posix_storage.h"
#include "io/uring_queue.h"
#include "temp_directory.h"

namespace kachel::io {

namespace {

// Where files come from.

struct PosixFiles {
  TempDirectory directory;
  std::unique_ptr<Storage> owned = open_posix_storage(directory.path(), {}).value();
  Storage& storage = *owned;
};

struct MemoryFiles {
  MemoryStorage storage;
};

template <typename Files>
struct FaultlessFiles {
  Files base;
  FaultyStorage storage{base.storage};
};

// How they are read.

struct UringReads {
  explicit UringReads(UringQueueOptions options = {.queue_depth = 8}) {
    auto made = UringQueue::create(options);
    if (made) queue = std::move(*made);
  }
  bool works() const { return queue != nullptr; }
  IoQueue& io() { return *queue; }
  void drive() { run_until_idle(*queue); }
  std::unique_ptr<UringQueue> queue;
};

/// Few slots and no registered memory: eviction and the plain read.
struct SmallUringReads : UringReads {
  SmallUringReads() : UringReads({.queue_depth = 2, .registered_buffers = 0, .file_slots = 1}) {}
};

struct BlockingReads {
  bool works() const { return true; }
  IoQueue& io() { return queue; }
  void drive() { run_until_idle(queue); }
  BlockingQueue queue{{.threads = 3}};
};

struct ManualReads {
  bool works() const { return true; }
  IoQueue& io() { return loop.io(); }
  void drive() { loop.run_until_idle(); }
  ManualClock clock;
  ManualLoop loop{clock};
};

struct ShuffledReads {
  bool works() const { return true; }
  IoQueue& io() { return loop.io(); }
  void drive() { loop.run_until_idle(); }
  ManualClock clock;
  ManualLoop loop{clock, {.seed = 7}};
};

template <typename Files, typename Reads>
class Combined final : public Backend {
 public:
  Storage& storage() override { return files_.storage; }
  IoQueue& queue() override { return reads_.io(); }
  void drive() override { reads_.drive(); }
  bool works() const { return reads_.works(); }

 private:
  Files files_;
  Reads reads_;
};

template <typename Files, typename Reads>
std::unique_ptr<Backend> make() {
  auto backend = std::make_unique<Combined<Files, Reads>>();
  if (!backend->works()) return nullptr;
  return backend;
}

}  // namespace

std::vector<BackendCase> all_backends() {
  return {
      {"PosixUring", make<PosixFiles, UringReads>},
      {"PosixSmallUring", make<PosixFiles, SmallUringReads>},
      {"PosixBlocking", make<PosixFiles, BlockingReads>},
      {"PosixManual", make<PosixFiles, ManualReads>},
      {"MemoryManual", make<MemoryFiles, ManualReads>},
      {"MemoryShuffled", make<MemoryFiles, ShuffledReads>},
      {"MemoryBlocking", make<MemoryFiles, BlockingReads>},
      {"MemoryUring", make<MemoryFiles, UringReads>},
      {"FaultyMemoryManual", make<FaultlessFiles<MemoryFiles>, ManualReads>},
      {"FaultyPosixBlocking", make<FaultlessFiles<PosixFiles>, BlockingReads>},
      {"FaultyPosixUring", make<FaultlessFiles<PosixFiles>, UringReads>},
  };
}

}  // namespace kachel::io
