// Where the simulator leaves something to chance, it asks here: a seed answers, or all answers
// are tried one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "io/crash_outcome.h"
#include "io/random.h"

namespace kachel::sim {

class Choices {
 public:
  virtual ~Choices() = default;
  /// One of 0..count-1; count > 0.
  virtual std::size_t choose(std::size_t count) = 0;
  bool one_in(std::size_t count) { return choose(count) == 0; }
};

class SeededChoices final : public Choices {
 public:
  explicit SeededChoices(std::uint64_t seed) : random_(seed) {}
  std::size_t choose(std::size_t count) override { return random_.next() % count; }

 private:
  io::SeededRandom random_;
};

/// Every combination of answers, depth first: run, next(), run, ... until next() is false.
class AllChoices final : public Choices {
 public:
  std::size_t choose(std::size_t count) override {
    if (at_ == path_.size()) path_.push_back({0, count});
    return path_[at_++].taken;
  }
  bool next() {
    path_.resize(at_);
    at_ = 0;
    while (!path_.empty() && path_.back().taken + 1 == path_.back().count)
      path_.pop_back();
    if (path_.empty()) return false;
    ++path_.back().taken;
    return true;
  }

 private:
  struct Choice {
    std::size_t taken;
    std::size_t count;
  };
  std::vector<Choice> path_;
  std::size_t at_ = 0;
};

/// A crash in which each unsynced write is lost, kept, or torn in the middle: few enough
/// outcomes to try them all.
class WholeWrites final : public io::CrashOutcome {
 public:
  explicit WholeWrites(Choices& choices) : choices_(choices) {}
  void keep_sectors(std::uint64_t first_sector, std::vector<bool>& kept) override;
  bool keep_size() override { return choices_.choose(2) == 1; }
  bool keep_entry() override { return choices_.choose(2) == 1; }

 private:
  Choices& choices_;
};

/// A crash drawn from `choices`, in a style drawn first: nothing kept, all kept, whole writes,
/// sectors, pages, or everything up to some point.
class DrawnCrash final : public io::CrashOutcome {
 public:
  explicit DrawnCrash(Choices& choices);
  void keep_sectors(std::uint64_t first_sector, std::vector<bool>& kept) override;
  bool keep_size() override;
  bool keep_entry() override;
  bool is_torn() const { return style_ == Style::kSectors || style_ == Style::kPages; }

 private:
  enum class Style : std::uint8_t { kNothing, kAll, kWrites, kSectors, kPages, kInOrder, kCount };
  bool toss();

  Choices& choices_;
  Style style_;
  std::size_t left_in_order_ = 0;
};

}  // namespace kachel::sim
