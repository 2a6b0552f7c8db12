// A trace of real requests: whose keys are asked for, and when.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/error.h"

namespace kachel::bench {

struct TraceOptions {
  std::string path;                // JSON Lines, plain or zstd
  std::string key = "hash_ids";    // the field that is the key; of an array each element is one
  std::string time = "timestamp";  // empty: there is none
  std::int64_t time_unit_ns = 1'000'000;
};

struct TraceRequest {
  std::int64_t at_ns = 0;  // since the first one; never before the one before
  std::uint64_t key = 0;   // numbered by first occurrence
};

struct Trace {
  std::vector<TraceRequest> requests;
  std::uint64_t keys = 0;
};

/// Bounded to kMaxTraceRequests; kTooLarge beyond.
Result<Trace> read_trace(const TraceOptions& options);

inline constexpr std::size_t kMaxTraceRequests = 100'000'000;

}  // namespace kachel::bench
