#include "io/asio_loop.h"

#include <atomic>
#include <future>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

#include "io/memory_storage.h"
#include "io/posix_storage.h"
#include "tests/contract/temp_directory.h"
#include "tests/contract/test_request.h"

namespace kachel::io {

using std::chrono::hours;
using std::chrono::milliseconds;

namespace {

/// A loop running on a thread of its own.
class RunningLoop {
 public:
  explicit RunningLoop(const AsioLoopOptions& options) : loop_(options) {
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~RunningLoop() { stop(); }
  void stop() {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
  }
  AsioLoop* operator->() { return &loop_; }
  /// Runs the function on the loop and waits for its end.
  template <typename F>
  void call(F function) {
    std::promise<void> done;
    loop_.post([&] {
      function();
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  AsioLoop loop_;
  std::thread thread_;
};

}  // namespace

/// With io_uring where the machine has it, and with the fallback.
class AsioLoopTest : public ::testing::TestWithParam<bool> {
 protected:
  AsioLoopOptions options() const { return {.queue_depth = 8, .allow_io_uring = GetParam()}; }
};

TEST_P(AsioLoopTest, TasksOfManyThreadsRunInEachOnesOrder) {
  constexpr int kThreads = 4;
  constexpr int kTasks = 2000;
  RunningLoop loop(options());
  std::array<std::vector<int>, kThreads> seen;  // loop thread only
  std::vector<std::thread> posters;
  for (std::size_t t = 0; t < kThreads; ++t) {
    posters.emplace_back([&, t] {
      for (int i = 0; i < kTasks; ++i)
        loop->post([&, t, i] { seen[t].push_back(i); });
    });
  }
  for (std::thread& poster : posters)
    poster.join();
  loop.stop();
  for (const auto& of_one : seen) {
    ASSERT_EQ(of_one.size(), static_cast<std::size_t>(kTasks));
    EXPECT_TRUE(std::is_sorted(of_one.begin(), of_one.end()));
  }
}

TEST_P(AsioLoopTest, KnowsItsThread) {
  RunningLoop loop(options());
  EXPECT_FALSE(loop->in_loop_thread());
  bool inside = false;
  loop.call([&] { inside = loop->in_loop_thread(); });
  EXPECT_TRUE(inside);
}

TEST_P(AsioLoopTest, SaysWhyItFellBack) {
  RunningLoop loop(options());
  loop.call([] {});
  if (!GetParam()) {
    EXPECT_FALSE(loop->uses_io_uring());
  }
  EXPECT_EQ(loop->uses_io_uring(), loop->fallback_reason().empty());
}

TEST_P(AsioLoopTest, TimersFireInDueOrderAndCancelledOnesDoNot) {
  RunningLoop loop(options());
  std::string log;
  std::promise<void> last;
  loop.call([&] {
    loop->schedule_after(milliseconds(20), [&] {
      log += 'c';
      last.set_value();
    });
    const auto cancelled = loop->schedule_after(milliseconds(1), [&] { log += 'x'; });
    loop->schedule_after(milliseconds(0), [&] { log += 'a'; });
    loop->schedule_after(milliseconds(5), [&] { log += 'b'; });
    loop->cancel(cancelled);
    loop->cancel(999);
  });
  last.get_future().wait();
  loop.stop();
  EXPECT_EQ(log, "abc");
}

TEST_P(AsioLoopTest, TimerCancelledByATimerThatIsDueTooDoesNotFire) {
  RunningLoop loop(options());
  std::string log;
  std::promise<void> last;
  loop.call([&] {
    auto second = std::make_shared<Loop::TimerId>(0);
    loop->schedule_after(milliseconds(0), [&log, &loop, second] {
      log += 'a';
      loop->cancel(*second);
    });
    *second = loop->schedule_after(milliseconds(0), [&log] { log += 'x'; });
    loop->schedule_after(milliseconds(1), [&last] { last.set_value(); });
  });
  last.get_future().wait();
  EXPECT_EQ(log, "a");
}

TEST_P(AsioLoopTest, TurnEndTasksRunAfterTheHandlersThatAreReady) {
  AsioLoopOptions patient = options();
  patient.turn_time = hours(1);
  RunningLoop loop(patient);
  std::string log;
  loop.call([&] {
    loop->at_turn_end([&] { log += 'E'; });
    loop->post([&] { log += 'a'; });
    loop->post([&] {
      log += 'b';
      loop->at_turn_end([&] { log += 'F'; });
    });
  });
  loop.call([] {});
  loop.stop();
  EXPECT_EQ(log, "abEF");
}

TEST_P(AsioLoopTest, ATurnEndsThoughMoreIsReadyAndTheRestRunsInOrder) {
  AsioLoopOptions hasty = options();
  hasty.turn_time = std::chrono::microseconds(1);
  RunningLoop loop(hasty);
  std::string log;
  loop.call([&] {
    const auto take_long = [] {
      const auto until = std::chrono::steady_clock::now() + milliseconds(1);
      while (std::chrono::steady_clock::now() < until) {
      }
    };
    for (const char name : {'a', 'b', 'c'}) {
      loop->post([&loop, &log, take_long, name] {
        log += name;
        loop->at_turn_end([&log] { log += '.'; });
        loop->post([&log, name] { log += static_cast<char>(name - 'a' + 'A'); });
        take_long();
      });
    }
  });
  while (true) {
    bool is_done = false;
    loop.call([&] { is_done = log.find('C') != std::string::npos; });
    if (is_done) break;
  }
  loop.stop();
  EXPECT_LT(log.find('.'), log.find('c')) << log;
  std::erase(log, '.');
  EXPECT_EQ(log, "abcABC");
}

TEST_P(AsioLoopTest, ReadsCompleteWhileTheLoopSleeps) {
  const TempDirectory directory;
  const auto storage = open_posix_storage(directory.path(), {}).value();
  const auto file = create_file(*storage, "a", pattern(4096 * 100));
  RunningLoop loop(options());
  struct Chain : TestRequest {
    explicit Chain(File& target) : TestRequest(target) {
      on_complete = [](IoRequest& self) { static_cast<Chain&>(self).again(); };
    }
    void again() {
      bytes.insert(bytes.end(), data, data + transferred);
      offset += transferred;
      if (transferred == 0 || offset == 4096 * 100) {
        buffer.release();
        done.set_value();
      } else {
        queue->submit(*this);
      }
    }
    IoQueue* queue = nullptr;
    PooledBuffer buffer;
    std::vector<std::byte> bytes;
    std::promise<void> done;
  } chain(*file);
  loop->post([&] {
    chain.queue = &loop->io();
    chain.buffer = loop->io().acquire_buffer(4096);
    chain.data = chain.buffer.data();
    chain.length = 4096;
    chain.buffer_index = chain.buffer.registered_index();
    loop->io().submit(chain);
  });
  chain.done.get_future().wait();
  loop.stop();
  EXPECT_TRUE(chain.bytes == pattern(4096 * 100));
}

TEST_P(AsioLoopTest, StopWaitsForWhatIsInFlight) {
  const TempDirectory directory;
  const auto storage = open_posix_storage(directory.path(), {}).value();
  const auto file = create_file(*storage, "a", pattern(1 << 20));
  std::vector<TestRequest> requests(30, TestRequest(*file));
  std::vector<PooledBuffer> buffers;
  RunningLoop loop(options());
  loop.call([&] {
    for (TestRequest& request : requests) {
      buffers.push_back(loop->io().acquire_buffer(1 << 20));
      request.data = buffers.back().data();
      request.length = 1 << 20;
      loop->io().submit(request);
    }
    loop->stop();
  });
  loop.stop();
  for (const TestRequest& request : requests) {
    EXPECT_EQ(request.completions, 1);
    EXPECT_EQ(request.transferred, std::size_t{1} << 20);
  }
  buffers.clear();
}

TEST_P(AsioLoopTest, StopRunsPostedTasksAndDropsTimers) {
  bool ran = false;
  bool fired = false;
  RunningLoop loop(options());
  loop.call([&] {
    loop->schedule_after(hours(1), [&] { fired = true; });
    loop->stop();
    loop->post([&] { loop->at_turn_end([&] { ran = true; }); });
  });
  loop.stop();
  EXPECT_TRUE(ran);
  EXPECT_FALSE(fired);
}

TEST_P(AsioLoopTest, StoppedBeforeItRunsItDrainsAndReturns) {
  AsioLoop loop(options());
  bool ran = false;
  loop.post([&] { ran = true; });
  loop.stop();
  loop.run();
  EXPECT_TRUE(ran);
}

TEST_P(AsioLoopTest, MemoryFilesAreReadToo) {
  MemoryStorage storage;
  const auto file = create_file(storage, "a", pattern(4096));
  RunningLoop loop(options());
  std::promise<void> done;
  TestRequest request(*file);
  request.context = &done;
  request.on_complete = [](IoRequest& self) {
    static_cast<std::promise<void>*>(self.context)->set_value();
  };
  PooledBuffer buffer;
  loop->post([&] {
    buffer = loop->io().acquire_buffer(4096);
    request.data = buffer.data();
    request.length = 4096;
    loop->io().submit(request);
  });
  done.get_future().wait();
  loop.stop();
  EXPECT_EQ(std::vector<std::byte>(buffer.data(), buffer.data() + 4096), pattern(4096));
  buffer.release();
}

TEST_P(AsioLoopTest, ClosingFilesOnOtherThreadsIsSafe) {
  const TempDirectory directory;
  const auto storage = open_posix_storage(directory.path(), {}).value();
  RunningLoop loop(options());
  for (std::uint64_t round = 0; round < 50; ++round) {
    const std::string name = "f" + std::to_string(round);
    auto file = create_file(*storage, name, pattern(4096, round));
    PooledBuffer buffer;
    std::promise<void> done;
    TestRequest request(*file);
    request.context = &done;
    request.on_complete = [](IoRequest& self) {
      static_cast<std::promise<void>*>(self.context)->set_value();
    };
    loop.call([&] {
      buffer = loop->io().acquire_buffer(4096);
      request.data = buffer.data();
      request.length = 4096;
      loop->io().submit(request);
    });
    done.get_future().wait();
    loop.call([&] {
      EXPECT_EQ(std::vector<std::byte>(buffer.data(), buffer.data() + 4096), pattern(4096, round));
      buffer.release();
    });
    file.reset();
  }
}

INSTANTIATE_TEST_SUITE_P(Queues, AsioLoopTest, ::testing::Bool(), [](const auto& tested) {
  return std::string(tested.param ? "Uring" : "Blocking");
});

}  // namespace kachel::io
