// What decides which entries a cache keeps. One cache, one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/policies/request.h"

namespace kachel::policies {

class Policy {
 public:
  virtual ~Policy() = default;
  /// Whether the key is there; counted as an access.
  virtual bool access(const Request& request) = 0;
  /// Of what was not there. The policy may decline.
  virtual void insert(const Request& request) = 0;
  /// It died.
  virtual void erase(Key key) = 0;
  /// Not counted as an access.
  virtual bool contains(Key key) const = 0;
  /// Accesses of late, as far as the policy knows; 0 for what is not there.
  virtual unsigned heat(Key key) const = 0;
  virtual std::uint64_t bytes() const = 0;
};

using PolicyPointer = std::unique_ptr<Policy>;

/// A contestant. The workload is for those that know the future.
struct PolicyKind {
  std::string name;
  std::function<PolicyPointer(std::uint64_t capacity_bytes, const Workload& workload)> make;
  bool with_flash = false;  // tried as the hot tier above it, too
};

/// All of them, the engine's first.
std::vector<PolicyKind> policy_kinds();

}  // namespace kachel::policies
