// The implementations of Index that the contract suite runs against, each with a way to crash.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/index.h"
#include "io/storage.h"

namespace kachel {

class IndexBackend {
 public:
  virtual ~IndexBackend() = default;
  virtual Result<std::unique_ptr<Index>> open(const IndexRequest& request) = 0;
  /// What has `index` open ends without another word: the process, or the machine.
  virtual void crash(std::unique_ptr<Index> index) = 0;
  /// Where its files lie, under index/; null when it has none.
  virtual io::Storage* storage() = 0;
};

struct IndexBackendCase {
  std::string name;
  std::function<std::unique_ptr<IndexBackend>()> make;
};

std::vector<IndexBackendCase> all_index_backends();
/// Those whose storage() is not null.
std::vector<IndexBackendCase> index_backends_with_files();

/// Of a namespace.
inline Fence fence(Namespace space, std::uint64_t version) {
  return {space, {}, version, 0};
}

}  // namespace kachel
