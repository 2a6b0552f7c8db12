// What the policy laboratory replays: a workload is a list of requests, already in order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kachel::policies {

using Key = std::uint64_t;

inline constexpr Key kNoKey = ~Key{0};

/// A read of a key. What is not there is computed and put, at `cost_micro_usd`. The bytes and the
/// cost of a key never change: an answer that is computed anew has a new key.
struct Request {
  std::int64_t time_us = 0;
  Key key = 0;
  std::uint64_t value_bytes = 0;
  std::uint64_t bytes = 0;  // of memory, as the engine's hot tier counts them; see charge.h
  std::uint64_t cost_micro_usd = 0;
  Key replaces = kNoKey;  // dies with this request, and is not asked for again
};

struct Workload {
  std::string name;
  std::string about;  // one line: what a key stands for
  std::vector<Request> requests;
};

/// Of all keys together.
struct Footprint {
  std::uint64_t keys = 0;
  std::uint64_t bytes = 0;        // of memory
  std::uint64_t value_bytes = 0;  // on flash
};
Footprint footprint_of(const Workload& workload);

/// Counts from the first request, the first of each key included: those no cache can answer.
struct Ratios {
  double object = 0;
  double byte = 0;
  double money = 0;
};

/// What hits have saved, and what there was to save.
struct Tally {
  std::uint64_t hits = 0;
  std::uint64_t hit_bytes = 0;
  std::uint64_t saved_micro_usd = 0;
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;
  std::uint64_t micro_usd = 0;

  void count(const Request& request, bool is_hit);
  Ratios ratios() const;
};

}  // namespace kachel::policies
