#include "tests/simulator/choices.h"

#include <algorithm>

namespace kachel::sim {
namespace {
constexpr std::uint64_t kSectorsPerPage = 4096 / io::kSectorBytes;
constexpr std::size_t kInOrderMost = 24;  // changes, more than are unsynced as a rule
}  // namespace

std::size_t AllChoices::choose(std::size_t count) {
  if (at_ == path_.size()) {
    const std::size_t usual = std::min(usual_, count - 1);
    path_.push_back({usual, count, usual});
  }
  return path_[at_++].taken;
}

bool AllChoices::next() {
  path_.resize(at_);
  at_ = 0;
  auto unusual = static_cast<std::size_t>(std::count_if(
      path_.begin(), path_.end(), [](const Choice& c) { return c.taken != c.usual; }));
  while (!path_.empty()) {
    Choice& last = path_.back();
    if (last.taken != last.usual) --unusual;
    if (advance(last, unusual)) return true;
    path_.pop_back();
  }
  return false;
}

/// The usual answer comes first, then the others in their order.
bool AllChoices::advance(Choice& last, std::size_t unusual_before) const {
  if (unusual_before >= unusual_most_) return false;
  std::size_t after = last.taken == last.usual ? 0 : last.taken + 1;
  if (after == last.usual) ++after;
  if (after >= last.count) return false;
  last.taken = after;
  return true;
}

std::vector<std::size_t> AllChoices::taken() const {
  std::vector<std::size_t> answers;
  for (std::size_t i = 0; i < at_; ++i)
    answers.push_back(path_[i].taken);
  return answers;
}

std::size_t GivenChoices::choose(std::size_t count) {
  const std::size_t answer = at_ < answers_.size() ? answers_[at_] : 0;
  ++at_;
  return std::min(answer, count - 1);
}

void WholeWrites::keep_sectors(std::uint64_t, std::vector<bool>& kept) {
  const std::size_t fate = choices_.choose(kept.size() > 1 ? 4 : 2);
  const std::size_t middle = kept.size() / 2;
  for (std::size_t i = 0; i < kept.size(); ++i)
    kept[i] = fate == 1 || (fate == 2 && i < middle) || (fate == 3 && i >= middle);
}

DrawnCrash::DrawnCrash(Choices& choices)
    : choices_(choices),
      style_(static_cast<Style>(choices.choose(static_cast<std::size_t>(Style::kCount)))) {
  if (style_ == Style::kInOrder) left_in_order_ = choices.choose(kInOrderMost);
}

bool DrawnCrash::toss() {
  if (style_ == Style::kNothing) return false;
  if (style_ == Style::kAll) return true;
  if (style_ != Style::kInOrder) return choices_.choose(2) == 1;
  if (left_in_order_ == 0) return false;
  --left_in_order_;
  return true;
}

void DrawnCrash::keep_sectors(std::uint64_t first_sector, std::vector<bool>& kept) {
  if (!is_torn()) {
    kept.assign(kept.size(), toss());
    return;
  }
  bool keep = false;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const bool new_page = (first_sector + i) % kSectorsPerPage == 0;
    if (i == 0 || style_ == Style::kSectors || new_page) keep = toss();
    kept[i] = keep;
  }
}

bool DrawnCrash::keep_size() {
  return style_ == Style::kInOrder ? false : toss();
}

bool DrawnCrash::keep_entry() {
  return toss();
}

}  // namespace kachel::sim
