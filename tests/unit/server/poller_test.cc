// Who is served when many sockets have something to read at once.
#include "server/poller.h"

#include <algorithm>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <vector>

#include "io/asio_loop.h"

namespace kachel::server {
namespace {

/// Always readable, and never reads.
class Ready final : public Poller::Target {
 public:
  Ready(Poller& poller, bool in_bulk, std::vector<Ready*>& calls)
      : poller_(poller), in_bulk_(in_bulk), calls_(calls), descriptor_(::eventfd(1, 0)) {
    EXPECT_TRUE(poller_.add(descriptor_, EPOLLIN, *this));
  }
  ~Ready() override {
    remove();
    ::close(descriptor_);
  }
  void remove() {
    if (!is_removed_) poller_.remove(descriptor_, *this);
    is_removed_ = true;
  }
  void on_events(std::uint32_t) override {
    EXPECT_FALSE(is_removed_);
    calls_.push_back(this);
    if (on_call) on_call();
  }
  bool is_in_bulk() const override { return in_bulk_; }
  void look_ahead(std::uint32_t events) override {
    EXPECT_FALSE(is_removed_);
    EXPECT_EQ(events, std::uint32_t{EPOLLIN});
    if (on_look_ahead) on_look_ahead();
  }

  std::function<void()> on_call;
  std::function<void()> on_look_ahead;

 private:
  Poller& poller_;
  const bool in_bulk_;
  std::vector<Ready*>& calls_;
  const int descriptor_;
  bool is_removed_ = false;
};

class PollerTest : public ::testing::Test {
 protected:
  Ready& add(bool in_bulk) {
    targets_.push_back(std::make_unique<Ready>(*poller_, in_bulk, calls_));
    return *targets_.back();
  }
  /// Until `calls` targets have been called.
  void run(std::size_t calls) {
    Ready& last = add(false);
    last.on_call = [this, calls] {
      if (calls_.size() < calls || is_over_) return;
      is_over_ = true;
      loop_.post([this] {  // not while it calls
        for (const auto& target : targets_)
          target->remove();
        poller_.reset();
        loop_.stop();
      });
    };
    loop_.run();
  }
  std::size_t count(const Ready& target) const {
    return static_cast<std::size_t>(std::count(calls_.begin(), calls_.end(), &target));
  }

  io::AsioLoop loop_;
  std::unique_ptr<Poller> poller_ = std::make_unique<Poller>(loop_, [this] {
    if (on_looked_ahead) on_looked_ahead();
  });
  std::function<void()> on_looked_ahead;
  bool is_over_ = false;
  std::vector<Ready*> calls_;
  std::vector<std::unique_ptr<Ready>> targets_;
};

}  // namespace

TEST_F(PollerTest, WhoAsksForOneValueDoesNotWaitForAllWhoSendMany) {
  for (int i = 0; i < 100; ++i)
    add(true);
  const Ready& asks = add(false);
  run(2000);
  std::size_t since = 0;
  for (const Ready* called : calls_) {
    since = called == &asks ? 0 : since + 1;
    ASSERT_LE(since, 10u);
  }
}

TEST_F(PollerTest, AllWhoSendManyHaveTheirTurns) {
  for (int i = 0; i < 100; ++i)
    add(true);
  add(false);
  run(5000);
  std::size_t least = calls_.size();
  std::size_t most = 0;
  for (std::size_t i = 0; i < 100; ++i) {
    least = std::min(least, count(*targets_[i]));
    most = std::max(most, count(*targets_[i]));
  }
  EXPECT_GT(least, 20u);
  EXPECT_LT(most, 60u);
}

TEST_F(PollerTest, AGroupLooksAheadTogetherBeforeItsEvents) {
  std::size_t looking = 0;  // since the last call
  std::size_t ahead = 0;    // looked, and not called yet
  std::size_t groups = 0;
  for (int i = 0; i < 50; ++i) {
    Ready& target = add(false);
    target.on_look_ahead = [&] {
      EXPECT_EQ(ahead, looking) << "before the events of an earlier group";
      ++looking;
      ++ahead;
    };
    target.on_call = [&] {
      EXPECT_EQ(looking, 0u) << "before its group had looked ahead";
      if (ahead > 0) --ahead;
    };
  }
  on_looked_ahead = [&] {
    EXPECT_LE(looking, Poller::kGroup);
    looking = 0;
    ++groups;
  };
  run(1000);
  EXPECT_GT(groups, 30u);
}

TEST_F(PollerTest, WhoSendsManyDoesNotLookAhead) {
  add(true).on_look_ahead = [] { ADD_FAILURE(); };
  add(false);
  run(50);
}

TEST_F(PollerTest, OneAloneDoesNotLookAhead) {
  on_looked_ahead = [] { ADD_FAILURE(); };
  run(50);
}

TEST_F(PollerTest, WhoIsRemovedInATurnIsNotCalledInIt) {
  Ready& removes = add(false);
  std::vector<Ready*> others;
  for (int i = 0; i < 20; ++i)
    others.push_back(&add(i % 2 == 0));
  removes.on_call = [&] {
    for (Ready* other : others)
      other->remove();
  };
  run(100);
  EXPECT_GT(count(removes), 10u);
}

}  // namespace kachel::server
