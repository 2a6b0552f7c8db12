// Which operation fails next; the state behind a FaultyStorage and its files. Thread-safe.
#pragma once

#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "io/faulty_storage.h"
#include "io/random.h"

namespace kachel::io {

class FaultPlan {
 public:
  explicit FaultPlan(std::uint64_t seed) : random_(seed) {}

  void inject(Fault fault);
  void clear();
  std::uint64_t injected() const;

  void observe(Observer observer) { observer_ = std::move(observer); }

  /// Shows the operation to the observer, counts it, and returns the fault that strikes it.
  std::optional<Fault> strike(const Operation& operation);
  /// The same for operations that can only fail outright.
  Result<void> check(FaultOp op, std::string_view path);
  std::uint64_t draw(std::uint64_t below);

 private:
  struct Armed {
    Fault fault;
    std::uint64_t seen = 0;
    std::uint64_t done = 0;
  };
  bool strikes(Armed& armed);

  Observer observer_;
  mutable std::mutex mutex_;
  SeededRandom random_;         // guarded by mutex_
  std::vector<Armed> faults_;   // guarded by mutex_
  std::uint64_t injected_ = 0;  // guarded by mutex_
};

Error injected_error(const Fault& fault, std::string_view path);

}  // namespace kachel::io
