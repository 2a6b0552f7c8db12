// Where the simulator leaves something to chance, it asks here: a seed answers, or all answers
// are tried one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
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

/// Every combination of answers, depth first: run, next(), run, ... until next() is false. Or
/// only those in which no more than so many answers are unusual.
class AllChoices final : public Choices {
 public:
  AllChoices() = default;
  AllChoices(std::size_t usual, std::size_t unusual_most)
      : usual_(usual), unusual_most_(unusual_most) {}

  std::size_t choose(std::size_t count) override;
  bool next();
  /// The answers of this run so far.
  std::vector<std::size_t> taken() const;

 private:
  struct Choice {
    std::size_t taken;
    std::size_t count;
    std::size_t usual;
  };
  bool advance(Choice& last, std::size_t unusual_before) const;

  const std::size_t usual_ = 0;
  const std::size_t unusual_most_ = std::numeric_limits<std::size_t>::max();
  std::vector<Choice> path_;
  std::size_t at_ = 0;
};

/// The answers given, and 0 past their end: to see again what AllChoices came across.
class GivenChoices final : public Choices {
 public:
  explicit GivenChoices(std::vector<std::size_t> answers) : answers_(std::move(answers)) {}
  std::size_t choose(std::size_t count) override;

 private:
  std::vector<std::size_t> answers_;
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
