// Whether the threads that serve clients still turn their loops: each is asked now and then to
// answer, and one that has not answered until it is asked again hangs.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace kachel::server {

class Pulse {
 public:
  /// Has the task run on one loop. Any number of loops, each with one.
  using Post = std::function<void(std::function<void()> task)>;
  explicit Pulse(std::vector<Post> loops);

  /// How many have not answered since they were asked last; asks the others again. One thread at a
  /// time.
  std::size_t count_hanging();

 private:
  struct Beat {
    Post post;
    std::shared_ptr<std::atomic<bool>> answered;
  };
  std::vector<Beat> beats_;
};

}  // namespace kachel::server
