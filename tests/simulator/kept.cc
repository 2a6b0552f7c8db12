#include "tests/simulator/kept.h"

#include <algorithm>
#include <cstdint>

#include "tests/simulator/anatomy.h"

namespace kachel::sim {

void Kept::note(const World& world, const std::set<std::string>& given_up) {
  records_.merge(find(world, world.store->stats().durable_through, given_up));
}

void Kept::check(const World& world) const {
  const Found there = find(world, UINT64_MAX);
  for (const auto& [key, version] : records_) {
    if (there.contains({key, version})) continue;
    throw Violation("a record of version " + std::to_string(version) + " about " + subject_ +
                    " is gone, which is held");
  }
}

Kept::Found Kept::find(const World& world, std::uint64_t through,
                       const std::set<std::string>& except) const {
  Found found;
  MacKey mac_key{};
  const auto segments = dissect(*world.disk, mac_key);
  const ScopeTag tag =
      tag_of(scope_mac(mac_key, world.space.tenant, ScopeKind::kSubject, subject_));
  for (const Anatomy& segment : segments) {
    if (except.contains(segment.path)) continue;
    for (const Piece& record : segment.records) {
      if (record.sequence > through || record.type != format::RecordType::kPut) continue;
      if (std::find(record.tags.begin(), record.tags.end(), tag) == record.tags.end()) continue;
      found.emplace(record.mac, record.version);
    }
  }
  return found;
}

}  // namespace kachel::sim
