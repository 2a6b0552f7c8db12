// Short scripts for policies.
#pragma once

#include <initializer_list>
#include <random>
#include <string>

#include "bench/policies/engine_policy.h"
#include "bench/policies/simulator.h"

namespace kachel::policies {

inline Request request_of(Key key, std::uint64_t bytes = 1, std::uint64_t cost = 1) {
  Request request;
  request.key = key;
  request.value_bytes = bytes;
  request.bytes = bytes;
  request.cost_micro_usd = cost;
  return request;
}

/// "abca": four requests of three keys of a byte each.
inline Workload script(const std::string& keys) {
  Workload workload;
  for (const char key : keys)
    workload.requests.push_back(request_of(static_cast<Key>(key)));
  return workload;
}

/// Which of them are hits: "---+" of the same length.
inline std::string hits_of(Policy& policy, const std::string& keys) {
  std::string hits;
  for (const Request& request : script(keys).requests) {
    const bool is_hit = policy.access(request);
    if (!is_hit) policy.insert(request);
    hits += is_hit ? '+' : '-';
  }
  return hits;
}

inline std::string present(const Policy& policy, const std::string& keys) {
  std::string found;
  for (const char key : keys)
    if (policy.contains(static_cast<Key>(key))) found += key;
  return found;
}

/// Each key with bytes and a cost of its own.
inline Workload random_workload(std::uint64_t seed, std::size_t requests, std::uint64_t keys,
                                std::uint64_t most_bytes) {
  std::mt19937_64 random(seed);
  std::vector<Request> all;
  for (Key key = 0; key < keys; ++key)
    all.push_back(request_of(key, 1 + random() % most_bytes, 1 + random() % 9));
  Workload workload;
  for (std::size_t i = 0; i < requests; ++i)
    workload.requests.push_back(all[std::min(random() % keys, random() % keys)]);
  return workload;
}

}  // namespace kachel::policies
