// How a store that is a copy learns what of it is alive: from a node that runs, or from a newer
// copy. Blocking.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/copies.h"
#include "tools/resp_client.h"

namespace kachel::tools {

/// What KACHEL.DOUBT says of a store.
struct Described {
  std::string store_id;
  std::uint64_t last_sequence = 0;
  std::uint64_t doubtful_through = 0;
  std::int64_t copied_ms = 0;
  std::uint64_t arriving_segments = 0;
  std::vector<Namespace> namespaces;
};

/// kForeign: that is no kacheld, or one of another version.
Result<Described> ask_what(RespClient& client);

/// One that knows what is alive.
class Knowledge {
 public:
  virtual ~Knowledge() = default;
  virtual Result<AlivePage> page(Namespace space, const Mac& from) = 0;
  std::string name;
  std::string store_id;
  std::uint64_t through = 0;
};

/// A running kacheld. kInvalidArgument: it is in doubt itself.
Result<std::unique_ptr<Knowledge>> open_node(const std::string& endpoint);
/// A newer copy, or a store that nobody runs: 24 bytes of memory an entry.
Result<std::unique_ptr<Knowledge>> open_copy(const std::string& directory);
/// kInvalidArgument: it knows nothing of this copy, or less than the copy itself.
Result<void> check_knows(const Knowledge& source, const Described& copy);

struct Learnt {
  std::uint64_t alive = 0;  // entries there are at the source
  std::uint64_t erased = 0;
};

/// Tells the copy what is alive in all its namespaces; what is not has been erased there when this
/// returns. `show` is called now and then.
Result<Learnt> learn(RespClient& copy, const Described& described, Knowledge& source,
                     const std::function<void(const Learnt&)>& show);

}  // namespace kachel::tools
