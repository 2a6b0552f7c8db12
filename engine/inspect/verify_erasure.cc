// Verification: that what was due is gone, and that the audit log says the truth of it.
#include <algorithm>

#include "engine/format/bytes.h"
#include "engine/format/file_window.h"
#include "engine/inspect/verifier.h"
#include "engine/row_coding.h"
#include "io/units.h"

namespace kachel::inspect {
namespace {

void tell_nobody(const Finding&) {}

std::string lateness(std::int64_t due_ms, std::int64_t now_ms) {
  return format_duration_ms(now_ms - due_ms) + " ago";
}

}  // namespace

Result<void> Verifier::check_audit() {
  if (!has_audit_) {
    const auto erases = std::count_if(fences_.begin(), fences_.end(),
                                      [](const Fence& fence) { return is_scope(fence.space); });
    if (erases > 0 || !holds_.empty()) {
      report({FindingCode::kAuditLogMissing,
              "audit",
              {},
              0,
              "there is no audit log, and the index knows of " + std::to_string(erases) +
                  " erases and " + std::to_string(holds_.size()) + " holds"});
    }
    return {};
  }
  audit::AuditExpectations expected = options_.audit;
  expected.origin = audit_origin(store_.store_id());
  const auto found = audit::verify_all(store_.storage(), expected);
  if (!found) return found.error();
  expect(found->bytes_checked);
  inspection_.count(found->bytes_checked);
  report_.audit_entries = found->leaves_checked;
  for (const audit::Finding& finding : found->findings) {
    const bool is_torn = finding.kind == audit::FindingKind::kTornTail && !store_.is_clean();
    report({is_torn ? FindingCode::kTornTail : FindingCode::kAuditLog,
            finding.path,
            {},
            0,
            std::string(audit::finding_name(finding.kind)) + ": " + finding.message});
  }
  if (found->not_listed > 0) {
    report({FindingCode::kAuditLog,
            "audit",
            {},
            0,
            "and " + std::to_string(found->not_listed) + " more"});
  }
  if (found->checkpoints_checked == 0)
    cannot("no signed checkpoint of the audit log could be checked");
  return {};
}

/// By the index's books, which every flush brings up to date.
void Verifier::check_due() {
  if (!index_) cannot("without the index nobody knows which segments are due");
  for (const SegmentState& state : segments_) {
    if (state.due_ms == 0 || state.due_ms > options_.now_ms) continue;
    report({FindingCode::kOverdueSegment,
            segment_path(state.id),
            {},
            state.file_bytes,
            "what is dead in it had to be gone " + lateness(state.due_ms, options_.now_ms)});
  }
  if (index_due_ms_ != 0 && index_due_ms_ <= options_.now_ms) {
    report({FindingCode::kOverdueIndex,
            "index",
            {},
            0,
            "dead rows had to be out of its files " + lateness(index_due_ms_, options_.now_ms)});
  }
}

Result<void> Verifier::check_claims() {
  if (!options_.claims.empty()) {
    if (!options_.selection.is_all())
      cannot("a part of the segments can't show that something is gone");
    for (SegmentState& state : segments_)
      if (auto done = check_claims_in(state); !done) return done;
    if (auto done = check_claims_in_index(); !done) return done;
  }
  if (options_.texts.empty()) return {};
  return search_texts("");
}

Result<void> Verifier::check_claims_in(SegmentState& state) {
  if (!state.is_usable) return {};
  auto segment = open_segment(store_, state.id, tell_nobody);
  if (!segment) return segment.error();
  const auto tell = [&](const ErasureClaim& claim, std::uint64_t offset, std::uint64_t size,
                        const std::string& what) {
    if (claim.is_done) {
      report({FindingCode::kErasedRecord, segment_path(state.id), offset, size,
              what + " of " + claim.scope.name()});
    } else {
      cannot(claim.scope.name() + " is not reclaimed yet: " + segment_path(state.id) + " has " +
             what);
    }
  };
  if ((*segment)->dictionary) {
    for (const ErasureClaim& claim : options_.claims) {
      if (!claim.scope.covers((*segment)->dictionary->stored())) continue;
      tell(claim, format::kSegmentHeaderBytes, 0, "a dictionary that was trained on values");
    }
  }
  std::vector<bool> told(options_.claims.size(), false);
  return for_each_summary(state, [&](const format::RecordSummary& record) {
    if (record.type != format::RecordType::kPut) return;
    for (std::size_t i = 0; i < options_.claims.size(); ++i) {
      const ErasureClaim& claim = options_.claims[i];
      if (!claim.scope.covers(record)) continue;
      // Of what is still to be done one line a segment is enough.
      if (!claim.is_done && told[i]) continue;
      told[i] = true;
      tell(claim, record.offset, record.size, "a record");
    }
  });
}

/// Each table by itself: a row may lie in an older one, below the one that replaced it.
Result<void> Verifier::check_claims_in_index() {
  const auto names = store_.storage().list("index");
  if (!names) return {};
  for (const std::string& name : *names) {
    if (!name.ends_with(".sst")) continue;
    auto done = for_each_in_table(
        index_path_ + "/" + name,
        [&](std::string_view key, std::string_view value) -> Result<void> {
          const auto row_key = decode_row_key(key);
          const auto row = row_key ? decode_row(value) : std::nullopt;
          if (!row) return inspection_.go_on();
          for (const ErasureClaim& claim : options_.claims) {
            if (!claim.scope.covers(row_key->space, row_key->mac, row->tags, row->version))
              continue;
            if (claim.is_done) {
              report({FindingCode::kErasedRow,
                      "index/" + name,
                      {},
                      0,
                      "a row of " + claim.scope.name()});
            } else {
              cannot(claim.scope.name() + " is not reclaimed yet: index/" + name + " has a row");
              return Error{ErrorCode::kAlreadyExists, ""};
            }
          }
          return {};
        });
    if (done || done.error().code == ErrorCode::kAlreadyExists) continue;
    if (done.error().code == ErrorCode::kShutdown) return done;
    cannot("index/" + name + " can't be read: " + done.error().message);
  }
  return {};
}

/// Every file there is, Kachel's or not, as it lies there: what is compressed is not looked into.
Result<void> Verifier::search_texts(const std::string& directory) {
  const auto names = store_.storage().list(directory);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    const std::string path =
        directory.empty() ? name : std::string(directory).append("/").append(name);
    if (name.find("lost+found") == 0) continue;
    if (size_of(path)) {
      if (auto done = search_file(path); !done) return done;
    } else if (store_.storage().list(path)) {
      if (auto done = search_texts(path); !done) return done;
    } else {
      cannot(path + " can't be read");
    }
  }
  return {};
}

Result<void> Verifier::search_file(const std::string& path) {
  auto file = store_.storage().open(path, io::OpenMode::kRead);
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  std::size_t longest = 1;
  for (const ZeroizingString& text : options_.texts)
    longest = std::max(longest, std::string_view(text).size());
  format::FileWindow window(**file, *size);
  for (std::uint64_t at = 0; at < *size;) {
    const auto bytes = window.at(at, format::kWindowBytes);
    if (!bytes) return bytes.error();
    const std::string_view view(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    // What begins in the last bytes of a window is found in the next one.
    const bool is_last = at + view.size() == *size;
    const std::size_t step = is_last ? view.size() : view.size() - longest + 1;
    for (std::size_t i = 0; i < options_.texts.size(); ++i) {
      const std::string_view text(options_.texts[i]);
      for (std::size_t found = view.find(text); found != std::string_view::npos && found < step;
           found = view.find(text, found + 1)) {
        report({FindingCode::kErasedText, path, at + found, text.size(),
                "the text of name " + std::to_string(i + 1) + " of those given"});
      }
    }
    at += step;
    if (auto done = inspection_.go_on(); !done) return done;
  }
  return {};
}

}  // namespace kachel::inspect
