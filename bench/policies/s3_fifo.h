// S3-FIFO (Yang et al., SOSP '23) with its knobs in the open: what the engine's HotShard might be.
#pragma once

#include <unordered_map>

#include "bench/policies/ghosts.h"
#include "bench/policies/policy.h"
#include "engine/intrusive_queue.h"

namespace kachel::policies {

struct S3FifoOptions {
  unsigned small_percent = 10;
  /// That an entry needs in the small queue to go to the main one: 2 as the paper's code has it.
  unsigned accesses_to_main = 2;
  unsigned most_accesses = 3;  // counted
  enum class GhostsKept : std::uint8_t { kAsMain, kAll } ghosts = GhostsKept::kAsMain;
  /// An access is worth as much as a miss costs per byte, against the (geometric) mean of what was
  /// inserted of late: by powers of two, at most this many up or down. 0: all cost the same.
  int cost_levels = 0;
};

class S3Fifo final : public Policy {
 public:
  S3Fifo(std::uint64_t capacity_bytes, S3FifoOptions options)
      : capacity_bytes_(capacity_bytes), options_(options) {}

  bool access(const Request& request) override;
  void insert(const Request& request) override;
  void erase(Key key) override;
  bool contains(Key key) const override { return items_.contains(key); }
  unsigned heat(Key key) const override;
  std::uint64_t bytes() const override { return small_.bytes() + main_.bytes(); }

 private:
  // An entry at the mean gets so much of an access, and a turn of a queue takes as much.
  static constexpr unsigned kUnit = 16;

  struct Item {
    Key key = 0;
    std::size_t bytes = 0;
    unsigned worth = kUnit;  // of an access
    unsigned credit = 0;     // of accesses since it came to its queue, less the turns of main
    bool is_main = false;
    Item* older = nullptr;
    Item* newer = nullptr;
  };

  unsigned worth_of(const Request& request);
  void make_room(std::uint64_t bytes);
  void turn_small();
  void turn_main();
  void remove(Item& item);

  std::uint64_t capacity_bytes_;
  S3FifoOptions options_;
  std::unordered_map<Key, Item> items_;
  IntrusiveQueue<Item> small_;
  IntrusiveQueue<Item> main_;
  std::size_t main_items_ = 0;
  Ghosts ghosts_;
  double mean_level_ = 0;  // log2 of micro-USD per MiB
  bool has_mean_ = false;
};

}  // namespace kachel::policies
