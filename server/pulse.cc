#include "server/pulse.h"

#include <utility>

namespace kachel::server {

Pulse::Pulse(std::vector<Post> loops) {
  beats_.reserve(loops.size());
  for (Post& post : loops)
    beats_.push_back({std::move(post), std::make_shared<std::atomic<bool>>(true)});
}

std::size_t Pulse::count_hanging() {
  std::size_t hanging = 0;
  for (Beat& beat : beats_) {
    if (!beat.answered->load()) {
      ++hanging;
      continue;
    }
    beat.answered->store(false);
    beat.post([answered = beat.answered] { answered->store(true); });
  }
  return hanging;
}

}  // namespace kachel::server
