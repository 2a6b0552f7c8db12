#include "tests/simulator/damage.h"

#include <algorithm>

#include "engine/mac.h"
#include "engine/segment_files.h"
#include "tests/simulator/anatomy.h"

namespace kachel::sim {
namespace {

class Surgeon {
 public:
  Surgeon(World& world, const Oracle& oracle, Choices& choices)
      : world_(world), oracle_(oracle), choices_(choices) {}

  Damage flip_bits();
  Damage lose_segment();
  Damage add_foreign_segment();

 private:
  std::vector<Anatomy> segments();
  void excuse(Damage& damage, const Piece& record, Excuse excuse) const;
  Damage nothing() const { return {"", false, false, std::vector<Excuse>(oracle_.keys())}; }

  World& world_;
  const Oracle& oracle_;
  Choices& choices_;
  MacKey mac_key_{};
};

std::vector<Anatomy> Surgeon::segments() {
  auto all = dissect(*world_.disk, mac_key_);
  std::erase_if(
      all, [](const Anatomy& segment) { return segment.bytes <= format::kSegmentHeaderBytes; });
  return all;
}

void Surgeon::excuse(Damage& damage, const Piece& record, Excuse excuse) const {
  for (std::size_t key = 0; key < oracle_.keys(); ++key) {
    const Mac mac = key_mac(mac_key_, world_.space, world_.key_text(key));
    const bool fence =
        record.type == format::RecordType::kFence || record.type == format::RecordType::kScopeFence;
    if (fence || record.mac == mac) {
      damage.excuses[key] = std::max(damage.excuses[key], excuse);
    }
  }
}

Damage Surgeon::flip_bits() {
  const auto all = segments();
  if (all.empty()) return {};
  Damage damage = nothing();
  damage.is_damage = true;
  const Anatomy& segment = all[choices_.choose(all.size())];
  const std::uint64_t at = choices_.choose(segment.bytes);
  auto file = world_.disk->open(segment.path, io::OpenMode::kReadWrite);
  std::byte byte{};
  if (!(*file)->read_at(at, {&byte, 1})) return {};
  byte ^= std::byte{1} << choices_.choose(8);
  iovec part{&byte, 1};
  (*file)->write_at(at, {&part, 1}).value();
  (*file)->sync().value();
  damage.what = "a bit of " + segment.path + " flips at " + std::to_string(at) +
                (segment.sealed ? " (sealed)" : "");
  for (const Piece& record : segment.records) {
    if (at < record.offset || at >= record.offset + record.size) continue;
    damage.what += " in a record of type " + std::to_string(static_cast<int>(record.type));
    if (!segment.sealed) {
      excuse(damage, record, Excuse::kOlder);
      damage.loses_erases = true;
    }
    if (segment.sealed && record.type == format::RecordType::kPut) {
      excuse(damage, record, Excuse::kMissing);
    }
  }
  return damage;
}

Damage Surgeon::lose_segment() {
  const auto all = segments();
  if (all.empty()) return {};
  Damage damage = nothing();
  damage.is_damage = true;
  const Anatomy& segment = all[choices_.choose(all.size())];
  world_.disk->remove(segment.path).value();
  world_.disk->sync_directory("segments").value();
  damage.what = segment.path + " is lost";
  damage.loses_erases = true;
  for (const Piece& record : segment.records)
    excuse(damage, record, Excuse::kOlder);
  return damage;
}

Damage Surgeon::add_foreign_segment() {
  Setup setup;
  setup.options = Setup::small_options(Durability::kGroup);
  setup.hashes = world_.setup.hashes;
  World other(setup, choices_.choose(1 << 30));
  if (!other.open()) return {};
  for (std::size_t key = 0; key < oracle_.keys(); ++key) {
    other.worker->put(other.space, other.key_text(key), "of another store", {},
                      [](Result<PutOutcome>) {});
  }
  other.run();
  if (!other.close()) return {};
  const auto names = other.disk->list("segments").value();
  if (names.empty()) return {};
  auto from = other.disk->open("segments/" + names.front(), io::OpenMode::kRead);
  std::vector<std::byte> bytes((*from)->size().value());
  (void)(*from)->read_at(0, bytes);
  const std::string path = segment_path(1'000'000 + choices_.choose(1000));
  auto to = world_.disk->open(path, io::OpenMode::kCreate);
  if (!to) return {};
  iovec part{bytes.data(), bytes.size()};
  if (!(*to)->write_at(0, {&part, 1})) {
    world_.disk->remove(path).value();  // a full disk
    return {};
  }
  (*to)->sync().value();
  world_.disk->sync_directory("segments").value();
  return {path + " comes from another store", true, false, {}};
}

Damage age_index(World& world) {
  if (!world.restore_index()) return {};
  return {"the index is an old one", false, false, {}};
}

}  // namespace

Damage damage_at_random(World& world, const Oracle& oracle, Crash crash, Choices& choices,
                        FaultCounts& faults) {
  Surgeon surgeon(world, oracle, choices);
  Damage damage;
  FaultClass counted = FaultClass::kIndexLost;
  // Where a hole may be the power cut's doing, damage at the end of the log can't be told from
  // it, and costs what came after: a loss within the window, which isn't the matter here.
  const bool told_apart =
      crash == Crash::kStop ||
      (crash == Crash::kKill && world.setup.options.durability != Durability::kRelaxed);
  switch (choices.choose(told_apart ? 9 : 5)) {
    case 0:
      world.lose_index();
      damage.what = "the index is lost";
      break;
    case 1:
      damage = age_index(world);
      counted = FaultClass::kIndexOld;
      break;
    case 2:
      damage = surgeon.add_foreign_segment();
      counted = FaultClass::kForeignSegment;
      break;
    case 5:
    case 6:
      damage = surgeon.flip_bits();
      counted = FaultClass::kBitFlip;
      break;
    case 7:
      damage = surgeon.lose_segment();
      counted = FaultClass::kSegmentLost;
      break;
    default:
      break;
  }
  if (!damage.what.empty()) faults.note(counted);
  // An index to go back to, later.
  if (choices.one_in(3)) world.back_up_index();
  return damage;
}

}  // namespace kachel::sim
