// What the tools say of an inspection while it runs and when it ends: to people a progress bar and
// a list, to machines JSON Lines (a header, a status a second, a line a finding, a summary).
#pragma once

#include <chrono>
#include <string>

#include "engine/inspect/inspection.h"
#include "engine/inspect/verify.h"

namespace kachel::tools {

class InspectionOutput {
 public:
  /// `what`: "full"; `directory`: the data directory. Attaches itself; must outlive the inspection.
  InspectionOutput(inspect::Inspection& inspection, std::string what, std::string directory,
                   bool json);

  void print_header();
  /// After it has ended. `exit_code` is said in JSON.
  void print_summary(const inspect::VerifyReport& report, int exit_code);

 private:
  void print(const inspect::Finding& finding);
  void show(const inspect::Progress& progress);
  void clear_bar();

  inspect::Inspection& inspection_;
  const std::string what_;
  const std::string directory_;
  const bool json_;
  const bool has_bar_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  bool bar_is_shown_ = false;
};

}  // namespace kachel::tools
