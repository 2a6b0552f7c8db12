// The combinations of Storage and IoQueue that the contract suite runs against.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/file.h"
#include "io/storage.h"

namespace kachel::io {

/// One storage with one queue that reads its files.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual Storage& storage() = 0;
  virtual IoQueue& queue() = 0;
  /// Flushes and runs completions until nothing is in flight.
  virtual void drive() = 0;
};

struct BackendCase {
  std::string name;
  /// nullptr when the machine can't do it (io_uring refused).
  std::function<std::unique_ptr<Backend>()> make;
};

std::vector<BackendCase> all_backends();

}  // namespace kachel::io
