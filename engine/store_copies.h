// What a store offers of copies: see copies.h. The work is the log loop's, the snapshotter's and
// the blocking pool's.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/arrivals.h"
#include "engine/audit_trail.h"
#include "engine/copies.h"
#include "engine/identity.h"
#include "engine/snapshotter.h"
#include "engine/store_worker.h"

namespace kachel {

class StoreCopies final : public Copies {
 public:
  StoreCopies(Core& core, Log& log, Identity& identity, Eraser& eraser, AuditTrail& trail)
      : core_(core),
        identity_(identity),
        trail_(trail),
        snapshotter_(core, log, identity, eraser, trail),
        arrivals_(core),
        worker_(core, log, eraser, trail, core.env.log_loop) {}

  // Log thread.
  void start();
  void stop(io::Task done);

  void create_snapshot(std::string name, std::chrono::milliseconds lifetime, io::Loop& loop,
                       Handler<SnapshotInfo> handler) override;
  void remove_snapshot(std::string name, io::Loop& loop, Handler<void> handler) override;
  std::vector<SnapshotInfo> snapshots() const override;
  void list_files(std::string name, io::Loop& loop,
                  Handler<std::vector<SnapshotFile>> handler) override;
  void read_file(std::string name, std::string path, std::uint64_t offset, std::size_t bytes,
                 io::Loop& loop, Handler<ZeroizingBytes> handler) override;
  format::StoreId store_id() const override { return core_.store_id; }
  std::uint64_t last_sequence() const override { return core_.queue.last_sequence(); }
  std::uint64_t doubtful_through() const override { return core_.doubtful_through; }
  std::int64_t copied_ms() const override {
    return core_.doubtful_through == 0 ? 0 : core_.copied_ms;
  }
  std::uint64_t arriving_segments() const override { return core_.arriving_segments; }
  std::vector<Namespace> namespaces() const override { return core_.live_counts.namespaces(); }
  void list_alive(Namespace space, Mac from, std::size_t count, io::Loop& loop,
                  Handler<AlivePage> handler) override;
  void confirm_alive(AliveRange range, std::vector<AliveEntry> alive, io::Loop& loop,
                     Handler<std::uint64_t> handler) override;
  void follow(std::string source, std::chrono::milliseconds lease, io::Loop& loop,
              Handler<void> handler) override;
  void end_doubt(DoubtEnd end, io::Loop& loop, Handler<void> handler) override;

 private:
  SnapshotInfo with_directory(SnapshotInfo info) const;
  void trust_for(std::chrono::milliseconds lease);
  void distrust();

  Core& core_;
  Identity& identity_;
  AuditTrail& trail_;
  Snapshotter snapshotter_;  // log thread
  Arrivals arrivals_;        // log thread
  io::Loop::TimerId lease_timer_ = 0;
  bool stopping_ = false;  // log thread
  StoreWorker worker_;     // log thread
};

}  // namespace kachel
