// A small world: a store, a few operations on it, and every point at which it could crash.
//
// The operations are those that take turns with each other in the engine: what clients ask for,
// and what the engine does by itself and is brought to here: a flush of the index, a segment that
// is sealed, or reclaimed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/simulator/oracle.h"

namespace kachel::sim {

enum class Step : std::uint8_t {
  kPut,        // key1, for two seconds: it has an open segment of its own
  kOverwrite,  // key0, for ever
  kErase,      // key0
  kExpire,     // key0, in a second
  kFlush,      // of the index
  kCompact,    // a segment is reclaimed while key0 is in demand
  kSeal,       // key2: a value that does not fit what is left of the open segment
  kEvict,      // a segment is reclaimed
  // Beyond the first eight.
  kEraseAll,
  kPutOff,   // the expiry of key1, by a minute
  kRestart,  // a stop in order, and a start
  kCount,
};

enum class Pace : std::uint8_t {
  kTogether,  // the next one comes while the one before is on its way
  kInTurn,    // the one before is acknowledged and written
  kSlowly,    // and durable
  kCount,
};

enum class Start : std::uint8_t {
  kEmpty,      // no store yet
  kRestarted,  // key0 in a sealed segment, nothing in memory
  kCount,
};

struct Plan {
  Durability mode = Durability::kGroup;
  Start start = Start::kEmpty;
  Pace pace = Pace::kInTurn;
  std::vector<Step> steps;
  bool syncs_lie = false;  // those of segments do nothing: to test the search
};

std::string_view name_of(Step step);
std::string_view name_of(Pace pace);
std::string_view name_of(Start start);
std::string_view name_of(Durability mode);
/// As arguments of the command line.
std::string describe(const Plan& plan);

class SmallWorld {
 public:
  /// Called before every change on the storage or the index, and, with an operation of no path,
  /// whenever the clients have learnt something. May copy the world; must not throw.
  using CrashPoint = std::function<void(const io::Operation&)>;
  SmallWorld(Plan plan, CrashPoint crash_point);

  /// Carries out the plan and waits until nothing more happens. Throws Violation.
  void run();

  const World& world() const { return world_; }
  const Oracle& oracle() const { return oracle_; }

 private:
  enum Key : std::size_t { kLong, kShort, kLarge, kKeys };

  void open();
  void take(Step step);
  void wait_for_turn();
  void put(Key key, std::size_t bytes, std::int64_t lifetime_ms);
  void erase(Key key);
  void expire(Key key, std::int64_t in_ms);
  void erase_all();
  void heat();
  void flush();
  void reclaim();
  void restart();
  void get(Key key);
  void check_all();
  void answer(std::size_t op, OpState state);
  void fail(const std::string& what) {
    if (!failure_) failure_ = what;
  }
  void wait(bool settled, const bool& answered);
  void learn() { crash_point_({io::FaultOp::kSync, {}}); }
  template <typename Condition>
  void step_until(Condition done, std::int64_t patience_ms);

  const Plan plan_;
  const CrashPoint crash_point_;
  World world_;
  Oracle oracle_;
  std::size_t in_flight_ = 0;
  std::uint64_t flushes_ = 0;
  std::uint64_t segment_reads_ = 0;
  std::optional<std::string> failure_;  // in a handler
};

}  // namespace kachel::sim
