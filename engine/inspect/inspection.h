// The course of an inspection: what was looked at and what is left, how fast it may go and for how
// long, and who hears of what is found. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/inspect/finding.h"
#include "io/error.h"
#include "io/storage.h"

namespace kachel::inspect {

struct Progress {
  std::string_view phase;            // what is being looked at: "segments"
  std::uint64_t checked_bytes = 0;   // of files
  std::uint64_t expected_bytes = 0;  // of those that are to be checked
  std::uint64_t records = 0;
  std::uint64_t rows = 0;
  std::uint64_t findings = 0;  // without notes
  std::uint64_t notes = 0;
  std::uint64_t overdue = 0;  // of the findings
};

struct Limits {
  std::uint64_t bytes_per_s = 0;         // 0: as fast as it goes
  std::chrono::milliseconds longest{0};  // 0: to the end
};

class Inspection {
 public:
  using OnFinding = std::function<void(const Finding&)>;
  /// Every so often, from wherever the inspection is.
  using OnProgress = std::function<void(const Progress&)>;

  explicit Inspection(Limits limits) : limits_(limits) {}

  void on_finding(OnFinding call) { on_finding_ = std::move(call); }
  void on_progress(OnProgress call, std::chrono::milliseconds every) {
    on_progress_ = std::move(call);
    every_ = every;
  }

  void report(Finding finding);
  void begin(std::string_view phase) { progress.phase = phase; }
  /// Bytes that were read and looked at; waits where it goes too fast.
  void count(std::uint64_t bytes);
  /// kShutdown once the time is up: whoever loops asks, and hands the error on.
  Result<void> go_on();
  bool is_out_of_time() const { return out_of_time_; }

  Progress progress;

 private:
  using Clock = std::chrono::steady_clock;

  const Limits limits_;
  OnFinding on_finding_;
  OnProgress on_progress_;
  std::chrono::milliseconds every_{1000};
  const Clock::time_point began_ = Clock::now();
  Clock::time_point told_ = began_;
  std::uint64_t counted_ = 0;  // bytes, in this run
  bool out_of_time_ = false;
};

}  // namespace kachel::inspect
