// Trains dictionaries: when a tenant has none that its new values can be compressed with, or an old
// one, from what the hot tier has of it. What a start finds is looked at first: if all that a
// dictionary was trained on still lives, it goes on serving.
//
// One attempt at a time. Deaths are noted from before it is looked whether the samples live, so
// that none goes unnoticed; what has lost one of them by then is thrown away unused. Training that
// comes to nothing, or whose outcome does not last, is tried again after ever longer. Log thread
// only; the work itself is the blocking pool's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "engine/core.h"
#include "engine/log.h"

namespace kachel {

class DictionaryTrainer {
 public:
  DictionaryTrainer(Core& core, Log& log) : core_(core), log_(log) {}

  void start();
  /// No further attempts; `done` once none is under way.
  void stop(io::Task done);

 private:
  struct Attempt;
  struct Tenant {
    std::int64_t next_ns = 0;  // not before
    std::int64_t wait_ns = 0;  // after a failure
  };

  void schedule_tick();
  void look();
  bool wants_one(std::uint32_t tenant, const Tenant& state) const;
  bool is_old(const Dictionary& dictionary) const;
  bool has_memory_for(std::uint64_t dictionaries) const;
  bool would_be_brief() const;
  void begin(std::uint32_t tenant);
  void collect(Attempt& attempt) const;
  void train(Attempt& attempt) const;
  void on_trained(const std::shared_ptr<Attempt>& attempt);
  void check_found();
  void check(const Dictionary::Pointer& dictionary, UniqueFunction<void(bool)> done);
  bool all_live(const Dictionary& dictionary) const;
  void finish(std::uint32_t tenant, bool succeeded);
  std::size_t dictionary_bytes() const;

  Core& core_;
  Log& log_;
  io::Loop::TimerId tick_timer_ = 0;
  std::map<std::uint32_t, Tenant> tenants_;
  std::vector<Dictionary::Pointer> found_;  // by the start, and not yet looked at
  bool busy_ = false;
  bool stopping_ = false;
  io::Task stopped_;
};

}  // namespace kachel
