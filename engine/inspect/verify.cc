#include "engine/inspect/verify.h"

#include <algorithm>

#include "engine/inspect/verifier.h"

namespace kachel::inspect {

bool Verifier::wants(std::initializer_list<VerifyScope> scopes) const {
  return std::find(scopes.begin(), scopes.end(), options_.scope) != scopes.end();
}

SegmentState* Verifier::find(std::uint64_t id) {
  const auto at = std::lower_bound(
      segments_.begin(), segments_.end(), id,
      [](const SegmentState& state, std::uint64_t wanted) { return state.id < wanted; });
  return at != segments_.end() && at->id == id ? &*at : nullptr;
}

Result<VerifyReport> Verifier::run() {
  using enum VerifyScope;
  load_snapshot_manifest();
  expect(store_.identity_bytes());
  inspection_.count(store_.identity_bytes());
  if (!store_.mac_key()) cannot("without the key, records and rows can't be compared");
  const auto steps = [&]() -> Result<void> {
    inspection_.begin("files");
    if (auto done = list_files(); !done) return done;
    if (auto done = load_resume(); !done) return done;
    inspection_.begin("heads");
    if (auto done = check_heads(); !done) return done;
    if (wants({kQuick, kFull, kIndex, kErasure})) {
      inspection_.begin("index");
      if (auto done = open_index(); !done) return done;
    }
    inspection_.begin("segments");
    if (auto done = check_segments(); !done) return done;
    check_ends();
    if (wants({kFull, kIndex})) {
      inspection_.begin("rows");
      if (auto done = settle_orphans(); !done) return done;
      if (auto done = compare_rows(); !done) return done;
    }
    inspection_.begin("sequences");
    check_limits();
    if (wants({kFull, kIndex, kSegments})) {
      if (auto done = check_sequences(); !done) return done;
    }
    if (wants({kQuick, kFull, kErasure})) {
      inspection_.begin("audit");
      if (auto done = check_audit(); !done) return done;
    }
    if (wants({kErasure})) check_due();
    inspection_.begin("erasure");
    return check_claims();
  };
  if (auto done = steps(); !done) {
    const bool is_cut_off = done.error().code == ErrorCode::kShutdown;
    const std::string why = is_cut_off ? std::string() : why_something_has_left();
    if (!is_cut_off && why.empty()) return done.error();
    cannot(is_cut_off ? done.error().message : why);
    if (auto saved = save_resume(); !saved) return saved.error();
  } else {
    remove_resume();
  }
  report_.segments = segments_.size();
  return std::move(report_);
}

Result<VerifyReport> verify_store(const StoreView& store, const VerifyOptions& options,
                                  Inspection& inspection) {
  return Verifier(store, options, inspection).run();
}

}  // namespace kachel::inspect
