#include "engine/arrivals.h"

#include <utility>

#include "engine/segment.h"

namespace kachel {
namespace {
constexpr std::chrono::milliseconds kArrivalsTick{500};
}  // namespace

std::string arriving_path(std::uint64_t segment_id) {
  const std::string path = segment_path(segment_id);
  return kArrivingDirectory + path.substr(path.find('/'));
}

Result<std::set<std::uint64_t>> list_arriving(io::Storage& storage) {
  const auto names = storage.list(kArrivingDirectory);
  if (!names && names.error().code == ErrorCode::kNotFound) return std::set<std::uint64_t>();
  if (!names) return names.error();
  std::set<std::uint64_t> ids;
  for (const std::string& name : *names)
    if (const auto id = parse_segment_name(name)) ids.insert(*id);
  return ids;
}

void Arrivals::start() {
  if (core_.arriving_segments > 0) schedule_tick();
}

void Arrivals::stop(io::Task done) {
  stopping_ = true;
  core_.env.log_loop.cancel(tick_timer_);
  if (!busy_) return done();
  stopped_ = std::move(done);
}

void Arrivals::schedule_tick() {
  tick_timer_ = core_.env.log_loop.schedule_after(kArrivalsTick, [this] { look(); });
}

void Arrivals::look() {
  if (stopping_) return;
  busy_ = true;
  core_.env.pool.run([this] {
    auto marks = list_arriving(core_.env.storage);
    if (marks) drop_marks_of_gone(*marks);
    core_.env.log_loop.post([this, marks = std::move(marks)] {
      busy_ = false;
      on_found(marks);
      if (stopped_) std::exchange(stopped_, {})();
    });
  });
}

/// What was reclaimed before it was whole: nobody brings the rest.
void Arrivals::drop_marks_of_gone(const std::set<std::uint64_t>& marks) {
  for (const std::uint64_t id : marks) {
    if (core_.segments.may_exist(id)) continue;
    if (!core_.env.storage.remove(arriving_path(id))) bump(core_.counters.io_errors);
  }
}

void Arrivals::on_found(const Result<std::set<std::uint64_t>>& marks) {
  if (!marks) bump(core_.counters.io_errors);
  std::uint64_t arriving = 0;
  for (const SegmentPointer& segment : core_.segments.all()) {
    if (!segment->is_arriving) continue;
    if (!marks || marks->contains(segment->id)) {
      ++arriving;
    } else {
      segment->is_arriving = false;
    }
  }
  core_.arriving_segments = arriving;
  if (arriving > 0 && !stopping_) schedule_tick();
}

}  // namespace kachel
