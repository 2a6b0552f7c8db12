#include "tests/simulator/anatomy.h"

#include "engine/identity.h"
#include "engine/segment_files.h"
#include "io/clock.h"
#include "tests/simulator/oracle.h"

namespace kachel::sim {
namespace {

format::SegmentHeader header_of(const io::File& file, const format::StoreId& store_id,
                                std::uint64_t id) {
  const auto bytes = read_exactly(file, 0, format::kSegmentHeaderBytes);
  if (!bytes) return {};
  const auto header = format::decode_segment_header(*bytes, store_id, id);
  return header ? *header : format::SegmentHeader{};
}

std::string dictionary_in(const io::File& file, const format::StoreId& store_id, std::uint64_t id,
                          const format::SegmentHeader& header) {
  std::string text;
  const std::size_t copy = header.dictionary_copy_bytes;
  for (std::size_t i = 0; copy != 0 && i < format::kDictionaryCopies; ++i) {
    const std::uint64_t at = format::kSegmentHeaderBytes + i * copy;
    const auto bytes = read_exactly(file, at, copy);
    if (!bytes) continue;
    const auto dictionary = format::decode_dictionary(*bytes, {store_id, id, at});
    if (!dictionary) continue;
    text.append(reinterpret_cast<const char*>(dictionary->content.data()),
                dictionary->content.size());
  }
  return text;
}

Anatomy dissect_segment(io::MemoryStorage& disk, const Identity& identity,
                        const std::string& directory, const std::string& name) {
  Anatomy segment;
  segment.path = directory + '/' + name;
  segment.id = *parse_segment_name(name);
  const auto file = disk.open(segment.path, io::OpenMode::kRead);
  segment.bytes = (*file)->size().value();
  segment.sealed = read_trailer(identity.store_id(), segment.id, **file, segment.bytes).has_value();
  const format::SegmentHeader header = header_of(**file, identity.store_id(), segment.id);
  segment.dictionary = dictionary_in(**file, identity.store_id(), segment.id, header);
  (void)format::scan_segment(
      **file, identity.store_id(), segment.id, format::records_begin(header),
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
    for (const bool hashes : {false, true}) {
      const Mac mac = key_mac(mac_key, World::space_of(hashes), World::key_text(key, hashes));
      if (record.mac == mac) text += " " + World::key_name(key);
    }
  }
  if (record.version != record.sequence) text += " version " + std::to_string(record.version);
  if (record.expires_at_ms != 0) text += " until " + std::to_string(record.expires_at_ms);
  if (record.last != 0 || record.first != 0) {
    text += " " + std::to_string(record.first) + ".." + std::to_string(record.last);
  }
  return text + "\n";
}

std::vector<Anatomy> dissect_in(const io::MemoryStorage& disk, MacKey& mac_key, bool snapshots) {
  std::vector<Anatomy> all;
  const auto copy = disk.clone();
  io::SeededRandom random(1);
  const io::ManualClock clock;
  auto identity = Identity::open(*copy, clock, random, false);
  if (!identity) return all;
  mac_key = (*identity)->mac_key();
  std::vector<std::string> directories{"segments"};
  if (snapshots) {
    directories.clear();
    const auto names = copy->list("snapshots");
    for (const std::string& name : names ? *names : std::vector<std::string>())
      directories.push_back("snapshots/" + name + "/segments");
  }
  for (const std::string& directory : directories) {
    const auto names = copy->list(directory);
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
      if (!parse_segment_name(name)) continue;
      all.push_back(dissect_segment(*copy, **identity, directory, name));
    }
  }
  return all;
}

}  // namespace

std::vector<Anatomy> dissect(const io::MemoryStorage& disk, MacKey& mac_key) {
  return dissect_in(disk, mac_key, false);
}

std::vector<Anatomy> dissect_snapshots(const io::MemoryStorage& disk, MacKey& mac_key) {
  return dissect_in(disk, mac_key, true);
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
