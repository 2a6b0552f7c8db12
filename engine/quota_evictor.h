// Keeps tenants to their quotas: who has more live bytes than his loses entries of his own, about
// the oldest first, and nobody else's.
//
// It goes through the segments in the order of their age, from where it stopped the last time, and
// takes out what the tables say is the tenant's and still current. In the first round what has been
// read since it came into the hot tier is spared. Each entry gets a tombstone, as when it is
// erased: or an older copy of it could come back with an index that is made anew. Where writes
// come faster than that, puts are dropped from an eighth above the quota on.
//
// Log thread only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "engine/core.h"
#include "engine/store_worker.h"

namespace kachel {

class QuotaEvictor {
 public:
  QuotaEvictor(Core& core, Log& log, Eraser& eraser, AuditTrail& trail)
      : core_(core), worker_(core, log, eraser, trail, core.env.log_loop) {}

  void start();
  /// No further steps; `done` once none is under way.
  void stop(io::Task done);

 private:
  struct Victim;
  struct Job;
  struct Tenant {
    std::uint64_t hand = 0;    // the segment to go on with
    std::int64_t next_ns = 0;  // not before: there was nothing to be taken out
  };

  void look();
  void begin(std::uint32_t tenant, std::uint64_t excess_bytes);
  void next_segment(const std::shared_ptr<Job>& job);
  void next_victims(const std::shared_ptr<Job>& job);
  void on_victims(const std::shared_ptr<Job>& job);
  void finish(const std::shared_ptr<Job>& job);

  Core& core_;
  StoreWorker worker_;
  std::map<std::uint32_t, Tenant> tenants_;
  std::uint32_t last_tenant_ = 0;
  io::Loop::TimerId tick_timer_ = 0;
  bool busy_ = false;
  bool stopping_ = false;
  io::Task stopped_;
};

}  // namespace kachel
