// What a crash leaves of what was not synced: the fault model of MemoryStorage, decided by
// whoever crashes it.
#pragma once

#include <cstdint>
#include <vector>

#include "io/random.h"

namespace kachel::io {

/// Bytes a disk writes whole or not at all.
inline constexpr std::uint64_t kSectorBytes = 512;

/// Asked about each unsynced change, file by file, in the order in which they were made. Each
/// answer is free: so writes may come out lost, kept, reordered or torn.
class CrashOutcome {
 public:
  virtual ~CrashOutcome() = default;
  /// A write that touches `kept.size()` sectors, from `first_sector` of its file on. True for
  /// those whose bytes are there afterwards; all are false to begin with.
  virtual void keep_sectors(std::uint64_t first_sector, std::vector<bool>& kept) = 0;
  /// Whether a new size is there, with zeros where the bytes are not.
  virtual bool keep_size() = 0;
  /// Whether a creation, removal or rename has happened.
  virtual bool keep_entry() = 0;
};

class LoseAll final : public CrashOutcome {
 public:
  void keep_sectors(std::uint64_t, std::vector<bool>&) override {}
  bool keep_size() override { return false; }
  bool keep_entry() override { return false; }
};

class KeepAll final : public CrashOutcome {
 public:
  void keep_sectors(std::uint64_t, std::vector<bool>& kept) override {
    kept.assign(kept.size(), true);
  }
  bool keep_size() override { return true; }
  bool keep_entry() override { return true; }
};

/// Every sector, size and entry by the toss of a coin.
class KeepAtRandom final : public CrashOutcome {
 public:
  explicit KeepAtRandom(SeededRandom& random) : random_(random) {}
  void keep_sectors(std::uint64_t, std::vector<bool>& kept) override {
    for (std::size_t i = 0; i < kept.size(); ++i)
      kept[i] = toss();
  }
  bool keep_size() override { return toss(); }
  bool keep_entry() override { return toss(); }

 private:
  bool toss() { return random_.next() % 2 == 0; }
  SeededRandom& random_;
};

}  // namespace kachel::io
