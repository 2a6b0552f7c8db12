// StoreWorker::scan: rows of the index in MAC order; the keys' text is in the records.
#include "engine/segment_files.h"
#include "engine/store_worker.h"

namespace kachel {
namespace {

// Most keys and models are short: one such read holds the record's header and meta.
constexpr std::size_t kFirstReadBytes = 1024;
constexpr std::size_t kMaxPage = 10'000;

std::uint64_t cursor_of(const Mac& mac) {
  std::uint64_t cursor = 0;
  for (std::size_t i = 0; i < 8; ++i)
    cursor = cursor << 8 | std::to_integer<unsigned>(mac.bytes[i]);
  return cursor;
}

Mac first_mac(std::uint64_t cursor) {
  Mac mac;
  for (std::size_t i = 8; i-- > 0; cursor >>= 8) {
    mac.bytes[i] = std::byte{static_cast<unsigned char>(cursor & 0xff)};
  }
  return mac;
}

/// The record is what the row says it is: as with a get, a row that points elsewhere is a miss,
/// or it would show the keys of other databases and tenants.
bool is_of(const Core& core, const format::RecordMeta& meta, const RowKey& key, const Row& row) {
  return meta.type == format::RecordType::kPut && meta.space == key.space &&
         meta.version == row.version && key_mac(core.mac_key, key.space, meta.key) == key.mac;
}

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

Result<ScanPage> read_page(Core& core, Namespace space, std::uint64_t cursor, std::size_t count) {
  auto rows = core.index->list(space, first_mac(cursor), count + 1);
  if (!rows) return rows.error();
  ScanPage page;
  if (rows->size() > count) {
    page.cursor = cursor_of(rows->back().first);
    rows->pop_back();
  }
  const std::int64_t now_ms = core.clock.now_ms();
  for (const auto& [mac, row] : *rows) {
    if (row.expires_at_ms != 0 && row.expires_at_ms <= now_ms) continue;
    if (core.fences.is_fenced(space, row.version, row.tags)) continue;
    if (auto key = read_key(core, {space, mac}, row)) page.keys.push_back(std::move(*key));
  }
  return page;
}

}  // namespace

void StoreWorker::scan(Namespace space, std::uint64_t cursor, std::size_t count,
                       ScanHandler handler) {
  auto answer = std::make_shared<ScanHandler>(std::move(handler));
  const std::size_t page = std::clamp<std::size_t>(count, 1, kMaxPage);
  // What was acknowledged before must be in the index before it is listed.
  core_.env.log_loop.post([this, space, cursor, page, answer] {
    log_.when_applied([this, space, cursor, page, answer] {
      core_.env.pool.run([this, space, cursor, page, answer] {
        auto found = std::make_shared<Result<ScanPage>>(read_page(core_, space, cursor, page));
        loop_.post([answer, found] { (*answer)(std::move(*found)); });
      });
    });
  });
}

}  // namespace kachel
