#include "tests/simulator/choices.h"

namespace kachel::sim {
namespace {
constexpr std::uint64_t kSectorsPerPage = 4096 / io::kSectorBytes;
constexpr std::size_t kInOrderMost = 24;  // changes, more than are unsynced as a rule
}  // namespace

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
