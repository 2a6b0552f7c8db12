// StoreWorker::scan: rows of the index in MAC order; the keys' text is in the records.
#include "engine/listing.h"
#include "engine/segment_files.h"

namespace kachel {
namespace {

// Most keys and models are short: one such read holds the record's header and meta.
constexpr std::size_t kFirstReadBytes = 1024;

/// The record is what the row says it is: as with a get, a row that points elsewhere is a miss,
/// or it would show the keys of other databases and tenants.
bool is_of(const Core& core, const format::RecordMeta& meta, const RowKey& key, const Row& row) {
  return meta.type == format::RecordType::kPut && meta.space == key.space &&
         meta.version == row.version && key_mac(core.mac_key, key.space, meta.key) == key.mac;
}

}  // namespace

std::optional<ZeroizingString> read_key(const Core& core, const RowKey& key, const Row& row) {
  const SegmentPointer segment = core.segments.find(row.segment_id);
  if (!segment) return std::nullopt;
  const format::Place place{core.store_id, row.segment_id, row.offset};
  ZeroizingBytes bytes(std::min<std::size_t>(kFirstReadBytes, row.size));
  for (int round = 0; round < 2; ++round) {
    auto got = segment->file->read_at(row.offset, bytes);
    if (!got || *got < format::kRecordFixedBytes) return std::nullopt;
    auto extent = format::peek_record(std::span(bytes).first(*got));
    if (!extent) return std::nullopt;
    if (extent->meta_end <= *got) {
      auto record = format::decode_record_meta(std::span(bytes).first(*got), place);
      if (!record || !is_of(core, record->meta, key, row)) return std::nullopt;
      return ZeroizingString(record->meta.key);
    }
    bytes.resize(extent->meta_end);
  }
  return std::nullopt;
}

bool is_live(const Core& core, Namespace space, const Row& row, std::int64_t now_ms) {
  if (row.expires_at_ms != 0 && row.expires_at_ms <= now_ms) return false;
  return core.segments.contains(row.segment_id) && !core.is_refused(space, row.version, row.tags);
}

namespace {

Result<ScanPage> read_page(Core& core, Namespace space, std::uint64_t cursor, std::size_t count) {
  auto rows = core.index->list(space, mac_at({}, 0, cursor << 8), count + 1);
  if (!rows) return rows.error();
  ScanPage page;
  if (rows->size() > count) {
    page.cursor = cursor_of(rows->back().first, 0) >> 8;
    rows->pop_back();
  }
  const std::int64_t now_ms = core.clock.now_ms();
  for (const auto& [mac, row] : *rows) {
    if (!is_live(core, space, row, now_ms)) continue;
    if (auto key = read_key(core, {space, mac}, row)) page.keys.push_back(std::move(*key));
  }
  return page;
}

}  // namespace

void StoreWorker::scan(Namespace space, std::uint64_t cursor, std::size_t count,
                       ScanHandler handler) {
  list_on_pool<ScanPage>([&core = core_, space, cursor,
                          page = page_size(count)] { return read_page(core, space, cursor, page); },
                         std::move(handler));
}

}  // namespace kachel
