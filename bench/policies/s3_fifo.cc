#include "bench/policies/s3_fifo.h"

#include <algorithm>
#include <cmath>

namespace kachel::policies {
namespace {

// How much a new entry moves the mean.
constexpr double kMeanShare = 1.0 / 256;

double level_of(const Request& request) {
  constexpr double kMebibyte = 1024.0 * 1024.0;
  const double cost = static_cast<double>(std::max<std::uint64_t>(request.cost_micro_usd, 1));
  return std::log2(cost * kMebibyte / static_cast<double>(request.bytes));
}

}  // namespace

unsigned S3Fifo::worth_of(const Request& request) {
  if (options_.cost_levels == 0) return kUnit;
  const double level = level_of(request);
  mean_level_ = has_mean_ ? mean_level_ + (level - mean_level_) * kMeanShare : level;
  has_mean_ = true;
  const int above = static_cast<int>(std::lround(level - mean_level_));
  const int step = std::clamp(above, -options_.cost_levels, options_.cost_levels);
  return step >= 0 ? kUnit << step : kUnit >> -step;
}

bool S3Fifo::access(const Request& request) {
  const auto found = items_.find(request.key);
  if (found == items_.end()) return false;
  Item& item = found->second;
  item.credit = std::min(item.credit + item.worth, options_.most_accesses * item.worth);
  return true;
}

void S3Fifo::insert(const Request& request) {
  if (request.bytes > capacity_bytes_ / 2) return;
  make_room(request.bytes);
  Item& item = items_[request.key];
  item.key = request.key;
  item.bytes = request.bytes;
  item.worth = worth_of(request);
  item.is_main = ghosts_.take(request.key);
  main_items_ += item.is_main ? 1 : 0;
  (item.is_main ? main_ : small_).push(item);
}

void S3Fifo::make_room(std::uint64_t bytes) {
  while (!items_.empty() && this->bytes() + bytes > capacity_bytes_) {
    const std::uint64_t target = capacity_bytes_ * options_.small_percent / 100;
    if (main_.empty() || (!small_.empty() && small_.bytes() > target)) {
      turn_small();
    } else {
      turn_main();
    }
  }
}

void S3Fifo::turn_small() {
  Item& item = *small_.oldest();
  if (item.credit >= options_.accesses_to_main * kUnit) {
    small_.remove(item);
    item.is_main = true;
    item.credit = 0;
    ++main_items_;
    main_.push(item);
    return;
  }
  ghosts_.add(item.key);
  remove(item);
}

void S3Fifo::turn_main() {
  Item& item = *main_.oldest();
  if (item.credit < kUnit) return remove(item);
  item.credit -= kUnit;
  main_.remove(item);
  main_.push(item);
}

void S3Fifo::remove(Item& item) {
  (item.is_main ? main_ : small_).remove(item);
  main_items_ -= item.is_main ? 1 : 0;
  items_.erase(Key{item.key});
  const bool as_main = options_.ghosts == S3FifoOptions::GhostsKept::kAsMain;
  ghosts_.trim(as_main ? main_items_ : items_.size());
}

void S3Fifo::erase(Key key) {
  const auto found = items_.find(key);
  if (found != items_.end()) remove(found->second);
}

unsigned S3Fifo::heat(Key key) const {
  const auto found = items_.find(key);
  return found == items_.end() ? 0 : found->second.credit / found->second.worth;
}

}  // namespace kachel::policies
