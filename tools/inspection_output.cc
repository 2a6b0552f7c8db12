#include "tools/inspection_output.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

#include "io/units.h"
#include "tools/progress_text.h"

namespace kachel::tools {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

constexpr milliseconds kBarEvery{200};
constexpr milliseconds kStatusEvery{1000};

void print_line(const json::object& line) {
  fmt::print("{}\n", json::serialize(line));
  std::fflush(stdout);
}

std::string place_of(const inspect::Finding& finding) {
  return finding.offset ? fmt::format("{}:{}", finding.path, *finding.offset) : finding.path;
}

}  // namespace

InspectionOutput::InspectionOutput(inspect::Inspection& inspection, std::string what,
                                   std::string directory, bool json)
    : inspection_(inspection),
      what_(std::move(what)),
      directory_(std::move(directory)),
      json_(json),
      has_bar_(!json && ::isatty(STDERR_FILENO) == 1) {
  inspection_.on_finding([this](const inspect::Finding& finding) { print(finding); });
  if (json_ || has_bar_) {
    inspection_.on_progress([this](const inspect::Progress& progress) { show(progress); },
                            json_ ? kStatusEvery : kBarEvery);
  }
}

void InspectionOutput::print_header() {
  if (!json_) return;
  print_line(
      {{"type", "header"}, {"version", KACHEL_VERSION}, {"check", what_}, {"data", directory_}});
}

void InspectionOutput::print(const inspect::Finding& finding) {
  const inspect::FindingKind& kind = inspect::kind_of(finding.code);
  if (json_) {
    json::object line{{"type", "finding"},
                      {"finding", kind.name},
                      {"severity", inspect::severity_name(kind.severity)},
                      {"path", finding.path},
                      {"message", finding.message},
                      {"cost", kind.cost},
                      {"remedy", kind.remedy}};
    if (finding.offset) line["offset"] = *finding.offset;
    if (finding.length != 0) line["length"] = finding.length;
    print_line(line);
    return;
  }
  clear_bar();
  fmt::print("{:<7}  {:<18}  {}\n", inspect::severity_name(kind.severity), kind.name,
             place_of(finding));
  fmt::print("         {}{}\n", finding.message,
             finding.length == 0 ? "" : fmt::format(" ({} bytes)", finding.length));
  if (kind.severity != inspect::Severity::kNote) {
    fmt::print("         costs: {}\n         do:    {}\n", kind.cost, kind.remedy);
  }
  std::fflush(stdout);
}

void InspectionOutput::show(const inspect::Progress& progress) {
  const std::int64_t ms = ms_since(began_);
  const std::uint64_t rate = bytes_per_second(progress.checked_bytes, ms);
  if (json_) {
    print_line({{"type", "status"},
                {"phase", progress.phase},
                {"elapsed_ms", ms},
                {"checked_bytes", progress.checked_bytes},
                {"expected_bytes", progress.expected_bytes},
                {"bytes_per_s", rate},
                {"records", progress.records},
                {"rows", progress.rows},
                {"findings", progress.findings}});
    return;
  }
  fmt::print(stderr, "\r\x1b[K{}  {}  {} findings",
             progress_text(progress.checked_bytes, progress.expected_bytes, rate), progress.phase,
             progress.findings);
  std::fflush(stderr);
  bar_is_shown_ = true;
}

void InspectionOutput::clear_bar() {
  if (!bar_is_shown_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  bar_is_shown_ = false;
}

void InspectionOutput::print_summary(const inspect::VerifyReport& report, int exit_code) {
  clear_bar();
  const inspect::Progress& progress = inspection_.progress;
  const std::int64_t ms = ms_since(began_);
  const bool complete = report.is_complete(progress);
  if (json_) {
    json::array gaps;
    for (const std::string& gap : report.gaps)
      gaps.push_back(json::string(gap));
    print_line({{"type", "summary"},
                {"check", what_},
                {"complete", complete},
                {"not_checked", std::move(gaps)},
                {"checked_bytes", progress.checked_bytes},
                {"expected_bytes", progress.expected_bytes},
                {"segments", report.segments},
                {"segments_checked", report.segments_checked},
                {"records", progress.records},
                {"rows", progress.rows},
                {"rows_of_segments_gone", report.dangling_rows},
                {"audit_entries", report.audit_entries},
                {"findings", progress.findings},
                {"overdue", progress.overdue},
                {"notes", progress.notes},
                {"elapsed_ms", ms},
                {"exit_code", exit_code}});
    return;
  }
  fmt::print("checked   {} of {} bytes ({:.1f} %) of what `{}` looks at, in {}\n",
             progress.checked_bytes, progress.expected_bytes,
             share_of(progress.checked_bytes, progress.expected_bytes) * 100, what_,
             format_duration_ms(ms));
  fmt::print("          {} of {} segments, {} records, {} rows, {} entries of the audit log\n",
             report.segments_checked, report.segments, progress.records, progress.rows,
             report.audit_entries);
  for (const std::string& gap : report.gaps)
    fmt::print("not done  {}\n", gap);
  if (complete && progress.findings == 0) {
    fmt::print("result    clean{}\n",
               progress.notes == 0 ? "" : fmt::format(", {} notes", progress.notes));
  } else {
    fmt::print("result    {} findings ({} overdue), {} notes{}\n", progress.findings,
               progress.overdue, progress.notes, complete ? "" : "; INCOMPLETE");
  }
}

}  // namespace kachel::tools
