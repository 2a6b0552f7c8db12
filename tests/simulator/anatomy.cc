#include "tests/simulator/anatomy.h"

#include "engine/identity.h"
#include "engine/segment_files.h"
#include "io/clock.h"
#include "tests/simulator/oracle.h"

namespace kachel::sim {
namespace {

Anatomy dissect_segment(io::MemoryStorage& disk, const Identity& identity,
                        const std::string& name) {
  Anatomy segment;
  segment.path = "segments/" + name;
  segment.id = *parse_segment_name(name);
  const auto file = disk.open(segment.path, io::OpenMode::kRead);
  segment.bytes = (*file)->size().value();
  segment.sealed = read_trailer(identity.store_id(), segment.id, **file, segment.bytes).has_value();
  (void)format::scan_segment(
      **file, identity.store_id(), segment.id, format::kSegmentHeaderBytes,
      [&](const format::DecodedRecord& record, std::uint64_t offset) {
        const format::RecordMeta& meta = record.meta;
        const bool put = meta.type == format::RecordType::kPut;
        const bool mark = meta.type == format::RecordType::kMark;
        segment.records.push_back(
            {offset, record.size, meta.type, meta.sequence, meta.version, meta.expires_at_ms,
             mark ? meta.durable_through : meta.first_void,
             mark ? meta.written_through : meta.last_void,
             put ? key_mac(identity.mac_key(), meta.space, meta.key) : meta.mac,
             scope_tags(identity.mac_key(), meta.space.tenant, meta.model, meta.subjects),
             std::string(meta.key)});
      });
  return segment;
}

std::string describe_record(const Piece& record, const MacKey& mac_key, std::size_t keys) {
  static constexpr std::string_view kTypes[] = {"?",    "put",  "erase",       "expiry", "fence",
                                                "void", "mark", "scope fence", "hold",   "release"};
  std::string text = "    " + std::to_string(record.sequence) + " at " +
                     std::to_string(record.offset) + ": " +
                     std::string(kTypes[static_cast<std::size_t>(record.type)]);
  for (std::size_t key = 0; key < keys; ++key) {
    if (record.mac == key_mac(mac_key, {}, Oracle::key_name(key))) {
      text += " " + Oracle::key_name(key);
    }
  }
  if (record.version != record.sequence) text += " version " + std::to_string(record.version);
  if (record.expires_at_ms != 0) text += " until " + std::to_string(record.expires_at_ms);
  if (record.last != 0 || record.first != 0) {
    text += " " + std::to_string(record.first) + ".." + std::to_string(record.last);
  }
  return text + "\n";
}

}  // namespace

std::vector<Anatomy> dissect(const io::MemoryStorage& disk, MacKey& mac_key) {
  std::vector<Anatomy> all;
  const auto copy = disk.clone();
  io::SeededRandom random(1);
  const io::ManualClock clock;
  auto identity = Identity::open(*copy, clock, random, false);
  auto names = copy->list("segments");
  if (!identity || !names) return all;
  mac_key = (*identity)->mac_key();
  for (const std::string& name : *names) {
    if (parse_segment_name(name)) all.push_back(dissect_segment(*copy, **identity, name));
  }
  return all;
}

std::string describe(const io::MemoryStorage& disk, std::size_t keys) {
  MacKey mac_key{};
  std::string text;
  for (const Anatomy& segment : dissect(disk, mac_key)) {
    text += "  " + segment.path + ", " + std::to_string(segment.bytes) + " bytes" +
            (segment.sealed ? ", sealed\n" : "\n");
    for (const Piece& record : segment.records)
      text += describe_record(record, mac_key, keys);
  }
  return text;
}

}  // namespace kachel::sim
