// Verification: what a run that was cut off leaves for the next one. A file in JSON, outside the
// store. Only what was found in segments is kept, which never change while the store is not
// started: all else takes moments and is done anew.
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/inspect/verifier.h"

namespace kachel::inspect {
namespace {
namespace json = boost::json;

Error unusable(const std::string& path, const std::string& why) {
  return {ErrorCode::kInvalidArgument,
          "--resume " + path + ": " + why + "; remove it, or give another file, to begin anew"};
}
}  // namespace

Result<void> Verifier::load_resume() {
  if (options_.resume_path.empty() || !std::filesystem::exists(options_.resume_path)) return {};
  std::ifstream file(options_.resume_path);
  std::stringstream text;
  text << file.rdbuf();
  boost::system::error_code code;
  const json::value parsed = json::parse(text.str(), code);
  if (code || !parsed.is_object()) return unusable(options_.resume_path, "it is damaged");
  try {
    const json::object& all = parsed.as_object();
    const std::uint64_t generation = store_.superblock() ? store_.superblock()->generation : 0;
    if (all.at("store").as_string() != audit_origin(store_.store_id()) ||
        all.at("generation").to_number<std::uint64_t>() != generation) {
      return unusable(options_.resume_path, "the store has been in use since");
    }
    if (all.at("scope").to_number<int>() != static_cast<int>(options_.scope)) {
      return unusable(options_.resume_path, "it is of another kind of check");
    }
    walked_through_ = all.at("through").to_number<std::uint64_t>();
    walked_records_ = all.at("records").to_number<std::uint64_t>();
    inspection_.progress.records = walked_records_;
    known_written_ = all.at("written").to_number<std::uint64_t>();
    inspection_.progress.checked_bytes += all.at("bytes").to_number<std::uint64_t>();
    for (const json::value& item : all.at("segments").as_array()) {
      const json::array& fields = item.as_array();
      SegmentState* const state = find(fields.at(0).to_number<std::uint64_t>());
      if (state == nullptr) return unusable(options_.resume_path, "a segment is gone since");
      state->matched = fields.at(1).to_number<std::uint64_t>();
      state->matched_digest = fields.at(2).to_number<std::uint64_t>();
      state->tail_bytes = fields.at(3).to_number<std::uint64_t>();
      state->lowest_sequence = fields.at(4).to_number<std::uint64_t>();
      state->highest_sequence = fields.at(5).to_number<std::uint64_t>();
      ++report_.segments_checked;
    }
    for (const json::value& item : all.at("orphans").as_array()) {
      const json::array& fields = item.as_array();
      const auto mac = parse_mac(std::string_view(fields.at(0).as_string()));
      if (!mac) return unusable(options_.resume_path, "it is damaged");
      orphans_[*mac].push_back({fields.at(1).to_number<std::uint64_t>(),
                                fields.at(2).to_number<std::uint64_t>(),
                                fields.at(3).to_number<std::uint64_t>(), false});
      ++orphan_count_;
    }
    for (const json::value& item : all.at("findings").as_array()) {
      const json::array& fields = item.as_array();
      const auto number = fields.at(0).to_number<std::size_t>();
      if (number >= kFindingCodes) return unusable(options_.resume_path, "it is damaged");
      Finding finding{static_cast<FindingCode>(number), std::string(fields.at(1).as_string()),
                      fields.at(2).to_number<std::uint64_t>(),
                      fields.at(3).to_number<std::uint64_t>(),
                      std::string(fields.at(4).as_string())};
      walk_findings_.push_back(finding);
      report(std::move(finding));
    }
  } catch (const std::exception& error) {
    return unusable(options_.resume_path, std::string("it is damaged: ") + error.what());
  }
  return {};
}

Result<void> Verifier::save_resume() {
  if (options_.resume_path.empty()) return {};
  json::array segments;
  std::uint64_t bytes = 0;
  const bool whole = wants({VerifyScope::kFull, VerifyScope::kSegments, VerifyScope::kErasure});
  for (const SegmentState& state : segments_) {
    if (!state.is_selected || state.id > walked_through_) continue;
    bytes += whole || !state.is_sealed ? state.file_bytes
                                       : state.file_bytes - (state.data_end - state.data_begin);
    segments.push_back(json::array{state.id, state.matched, state.matched_digest, state.tail_bytes,
                                   state.lowest_sequence, state.highest_sequence});
  }
  json::array orphans;
  for (const auto& [mac, list] : orphans_) {
    for (const Orphan& orphan : list) {
      if (orphan.segment_id > walked_through_) continue;
      orphans.push_back(
          json::array{text_of(mac), orphan.version, orphan.segment_id, orphan.offset});
    }
  }
  json::array findings;
  for (const Finding& finding : walk_findings_) {
    const auto id =
        parse_segment_name(std::string_view(finding.path).substr(finding.path.find('/') + 1));
    if (!id || *id > walked_through_) continue;
    findings.push_back(json::array{static_cast<std::uint64_t>(finding.code), finding.path,
                                   finding.offset.value_or(0), finding.length, finding.message});
  }
  const json::object all{{"store", audit_origin(store_.store_id())},
                         {"generation", store_.superblock() ? store_.superblock()->generation : 0},
                         {"scope", static_cast<int>(options_.scope)},
                         {"through", walked_through_},
                         {"records", walked_records_},
                         {"written", known_written_},
                         {"bytes", bytes},
                         {"segments", std::move(segments)},
                         {"orphans", std::move(orphans)},
                         {"findings", std::move(findings)}};
  // By rename, so that a run killed just now leaves the older one.
  const std::string beside = options_.resume_path + ".new";
  {
    std::ofstream file(beside, std::ios::trunc);
    file << json::serialize(all) << '\n';
    if (!file.flush()) return Error{ErrorCode::kIo, "--resume: can't write " + beside};
  }
  std::error_code code;
  std::filesystem::rename(beside, options_.resume_path, code);
  if (code) return Error{ErrorCode::kIo, "--resume: can't write " + options_.resume_path};
  return {};
}

void Verifier::remove_resume() {
  std::error_code code;
  if (!options_.resume_path.empty()) std::filesystem::remove(options_.resume_path, code);
}

}  // namespace kachel::inspect
