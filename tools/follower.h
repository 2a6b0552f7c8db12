// Keeps a store that is a copy in touch with the node that it is a copy of, while its segments are
// still coming: asks again and again what is alive there, so that the copy serves that and nothing
// else (KACHEL.DOUBT FOLLOW). On a thread of its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "tools/catch_up.h"

namespace kachel::tools {

class Follower {
 public:
  /// Both HOST:PORT. The copy may come up later.
  Follower(std::string source, std::string copy);
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  /// `on_serving` is called on the thread, once the copy serves for the first time; `on_trouble`
  /// when the copy or its source can't be asked, once for each other reason.
  void start(std::function<void(const Learnt&)> on_serving,
             std::function<void(const std::string&)> on_trouble);
  /// Ends the following, with a last look: the copy is in doubt no more. Waits for the copy to be
  /// there. kInvalidArgument: another store serves there.
  Result<Learnt> finish();

 private:
  void run();
  Result<Learnt> pass(const char* end);
  Result<void> connect();

  const std::string source_;
  const std::string copy_;
  std::function<void(const Learnt&)> on_serving_;
  std::function<void(const std::string&)> on_trouble_;
  std::optional<RespClient> client_;  // of the copy; of whoever has the turn
  std::uint64_t erased_ = 0;
  std::chrono::milliseconds rest_{0};  // before the next look
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // guarded by mutex_
};

}  // namespace kachel::tools
