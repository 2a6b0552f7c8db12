// Which faults a history meets. One kind a history, drawn from its seed: what it may excuse
// stays narrow, and everything else is checked in full.
#pragma once

#include "tests/simulator/oracle.h"

namespace kachel::sim {

class FaultProfile {
 public:
  static FaultProfile draw(Choices& choices);

  void choose_setup(Setup& setup, Choices& choices);
  void configure(World& world, Oracle& oracle, Choices& choices);
  /// Called before every step; now and then arms a fault.
  void strike(World& world, Oracle& oracle, Choices& choices);
  /// Arms faults for a start that may fail on them.
  void strike_start(World& world, Choices& choices);
  /// Nothing fails from here on.
  void calm(World& world);
  /// After a start: as configured.
  void restart(World& world, Oracle& oracle) const;

  bool strikes_starts() const;
  bool fails_syncs() const { return kind_ == Kind::kSyncErrors; }
  bool may_drop() const;     // puts
  bool may_fail() const;     // erases, stops
  bool may_be_late() const;  // erasures
  bool reads_fail() const;   // gets may miss what is there
  bool may_lose_writes() const { return kind_ == Kind::kLies; }

  std::string_view name() const;

  bool clock_jumps = false;

 private:
  enum class Kind : std::uint8_t {
    kCalm,
    kCalmToo,
    kWriteErrors,
    kNoSpace,
    kSyncErrors,
    kNameErrors,
    kReadErrors,
    kSlow,
    kIndexTrouble,
    kSmallDisk,
    kTight,
    kLies,
    kCount,
  };
  void arm(World& world, io::Fault fault, FaultClass counted);
  void count(World& world);

  Kind kind_ = Kind::kCalm;
  bool is_slow_ = false;
  FaultClass counted_ = FaultClass::kWriteError;  // what is armed
  std::uint64_t injected_ = 0;                    // counted so far
  std::size_t index_read_errors_ = 0;             // in a hundred
};

/// Carries out a part of a write, up to the end of some page: what a kill in its midst leaves.
/// False when the operation is no write, or none of it was done.
bool write_partly(World& world, const io::Operation& operation, Choices& choices);

}  // namespace kachel::sim
