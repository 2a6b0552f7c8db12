// BlockingPool on threads.
#pragma once

#include <cstddef>
#include <memory>

#include "io/loop.h"

namespace kachel::io {

class ThreadPool final : public BlockingPool {
 public:
  explicit ThreadPool(std::size_t threads);
  /// Runs what was queued, then joins.
  ~ThreadPool() override;
  void run(Task work) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kachel::io
