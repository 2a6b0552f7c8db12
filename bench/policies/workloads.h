// What the policies are judged on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/policies/request.h"

namespace kachel::policies {

enum class Pricing : std::uint8_t { kOne, kMixed };

/// Completions of two agents. Key: tenant and prompt.
Workload agent_completions(const std::string& folder, Pricing pricing);
/// Completions of chats, each request with all that was said before. Key: the prompt, by the hashes
/// of all its blocks.
Workload conversation_completions(const std::string& folder);
/// The same chats by blocks of 512 tokens of the prompt. Key: a block's hash, which stands for all
/// before it. All of one size and price: what weighs cost has nothing to win there.
Workload conversation_blocks(const std::string& folder);

struct ZipfOptions {
  std::string name;
  double skew = 0.9;
  std::uint64_t keys = 40'000;  // at one time
  std::uint64_t requests = 300'000;
  /// After each so many requests one of the most popular tenth changes places with any other.
  std::uint64_t drift_every = 50;
  /// One in so many requests finds its answer outdated, and a new one takes its place.
  std::uint64_t refresh_every = 100;
  std::uint64_t embedding_percent = 0;  // of the keys; the others are completions
  Pricing pricing = Pricing::kMixed;
  std::uint64_t seed = 1;
};
Workload zipf_with_drift(const ZipfOptions& options);

struct WorkloadOptions {
  std::optional<std::string> folder;  // of the traces
  bool quick = false;                 // generated ones only, and short
  std::uint64_t seed = 1;             // of the generated ones
};
/// All of them. Without a folder those that need none.
std::vector<Workload> make_workloads(const WorkloadOptions& options);

}  // namespace kachel::policies
