// StoreWorker: hashes. The rows of a hash's fields lie side by side: their MACs have a prefix in
// common (mac.h).
#include "engine/field_key.h"
#include "engine/listing.h"

namespace kachel {
namespace {

// Rows looked at before the one that is live is searched with all care.
constexpr std::size_t kFirstLook = 16;

Glimpse glimpse_of(const Row& row) {
  return {row.expires_at_ms, row.raw_bytes, row.version, Tier::kFlash};
}

/// Rows of the fields of one hash, in MAC order from `cursor`: its place in the MAC is behind the
/// prefix.
struct FieldRows {
  std::vector<std::pair<Mac, Row>> rows;
  std::uint64_t cursor = 0;  // of what follows; 0: nothing
};

Result<FieldRows> rows_of(const Core& core, Namespace fields, const HashPrefix& prefix,
                          std::uint64_t cursor, std::size_t count) {
  auto rows = core.index->list(fields, mac_at(prefix, kHashPrefixBytes, cursor), count + 1);
  if (!rows) return rows.error();
  FieldRows found{std::move(*rows), 0};
  const auto is_other = [&](const auto& item) { return prefix_of(item.first) != prefix; };
  std::erase_if(found.rows, is_other);
  if (found.rows.size() > count) {
    found.cursor = cursor_of(found.rows.back().first, kHashPrefixBytes);
    found.rows.pop_back();
  }
  return found;
}

Result<FieldPage> read_fields(const Core& core, Namespace fields, const ZeroizingString& hash,
                              std::uint64_t cursor, std::size_t count, Texts texts) {
  const HashPrefix prefix = hash_prefix(core.mac_key, fields, hash);
  const auto rows = rows_of(core, fields, prefix, cursor, count);
  if (!rows) return rows.error();
  FieldPage page{rows->cursor, {}};
  const std::int64_t now_ms = core.clock.now_ms();
  for (const auto& [mac, row] : rows->rows) {
    if (!is_live(core, fields, row, now_ms)) continue;
    HashField& field = page.fields.emplace_back();
    field.seen = glimpse_of(row);
    if (texts == Texts::kLeft) continue;
    const auto key = read_key(core, {fields, mac}, row);
    const auto parsed = key ? parse_field_key(*key) : std::nullopt;
    if (parsed && parsed->hash == hash) {
      field.name = parsed->field;
    } else {
      page.fields.pop_back();
    }
  }
  return page;
}

/// The first live field of the hash whose rows come first from `from` on.
struct FoundHash {
  Mac mac;
  std::optional<Row> row;  // nothing: none of its fields is live
};

Result<std::optional<FoundHash>> first_hash(const Core& core, Namespace fields, const Mac& from) {
  const auto first = core.index->list(fields, from, 1);
  if (!first) return first.error();
  if (first->empty()) return std::optional<FoundHash>();
  FoundHash found{first->front().first, {}};
  const HashPrefix prefix = prefix_of(found.mac);
  const std::int64_t now_ms = core.clock.now_ms();
  std::uint64_t cursor = 0;
  do {
    const auto rows = rows_of(core, fields, prefix, cursor, kFirstLook);
    if (!rows) return rows.error();
    for (const auto& [mac, row] : rows->rows) {
      if (is_live(core, fields, row, now_ms)) return std::optional(FoundHash{mac, row});
    }
    cursor = rows->cursor;
  } while (cursor != 0);
  return std::optional(found);
}

Result<ScanPage> read_hashes(const Core& core, Namespace fields, std::uint64_t cursor,
                             std::size_t count, Texts texts) {
  constexpr std::uint64_t kCursors = std::uint64_t{1} << (8 * kHashPrefixBytes);
  ScanPage page;
  for (std::size_t seen = 0; cursor < kCursors; ++seen) {
    const auto found = first_hash(core, fields, mac_at({}, 0, cursor << 8));
    if (!found) return found.error();
    if (!*found) break;
    cursor = cursor_of((*found)->mac, 0) >> 8;
    if (seen == count) {
      page.cursor = cursor;
      return page;
    }
    ++cursor;
    if (!(*found)->row) continue;
    if (texts == Texts::kLeft) {
      page.keys.emplace_back();
    } else if (const auto key = read_key(core, {fields, (*found)->mac}, *(*found)->row)) {
      if (const auto parsed = parse_field_key(*key)) page.keys.emplace_back(parsed->hash);
    }
  }
  return page;
}

/// What has the hash in the index, as far as a first look tells.
std::vector<Mac> first_fields(const Core& core, const RowKey& hash, Result<void>& looked) {
  std::vector<Mac> macs;
  const auto rows = rows_of(core, hash.space, prefix_of(hash.mac), 0, kFirstLook);
  if (!rows) {
    looked = rows.error();
    return macs;
  }
  for (const auto& [mac, row] : rows->rows)
    macs.push_back(mac);
  return macs;
}

}  // namespace

void StoreWorker::list_fields(Namespace space, std::string_view hash, std::uint64_t cursor,
                              std::size_t count, Texts texts, FieldsHandler handler) {
  list_on_pool<FieldPage>([&core = core_, fields = fields_of(space), hash = ZeroizingString(hash),
                           cursor, page = page_size(count),
                           texts] { return read_fields(core, fields, hash, cursor, page, texts); },
                          std::move(handler));
}

void StoreWorker::scan_hashes(Namespace space, std::uint64_t cursor, std::size_t count, Texts texts,
                              ScanHandler handler) {
  list_on_pool<ScanPage>([&core = core_, fields = fields_of(space), cursor, page = page_size(count),
                          texts] { return read_hashes(core, fields, cursor, page, texts); },
                         std::move(handler));
}

/// A row whose field is there now answers without a look at the log; so does there being no row,
/// when the index has all the fields that were ever put.
void StoreWorker::glimpse_hash(Namespace space, std::string_view text, GlimpseHandler handler) {
  if (!may_have_hashes(core_, space)) return handler(std::optional<Glimpse>());
  const Namespace fields = fields_of(space);
  const Key hash{fields, mac_at(hash_prefix(core_.mac_key, fields, text), kHashPrefixBytes, 0)};
  const bool has_all = core_.last_field <= core_.applied_through;
  core_.env.pool.run([this, &core = core_, &loop = loop_, presence = presence(), hash, has_all,
                      handler = std::move(handler)]() mutable {
    Result<void> looked;
    auto macs = first_fields(core, {hash.space, hash.mac}, looked);
    loop.post([this, presence, hash, has_all, handler = std::move(handler), looked,
               macs = std::move(macs)]() mutable {
      if (presence.expired()) return;
      if (!looked) return handler(looked.error());
      for (const Mac& mac : macs) {
        Shard& shard = core_.shard(mac);
        std::unique_lock lock(shard.mutex);
        const Current current =
            find_current(core_, shard, hash.space, mac, core_.clock.now_ms(), Where::kMemory);
        lock.unlock();
        if (!current.exists) continue;
        return handler(std::optional(
            Glimpse{current.expires_at_ms, current.raw_bytes, current.version, current.tier}));
      }
      if (macs.empty() && has_all) return handler(std::optional<Glimpse>());
      find_hash(hash, std::move(handler));
    });
  });
}

void StoreWorker::find_hash(const Key& hash, GlimpseHandler handler) {
  list_on_pool<std::optional<Glimpse>>(
      [&core = core_, hash]() -> Result<std::optional<Glimpse>> {
        const auto found = first_hash(core, hash.space, hash.mac);
        if (!found) return found.error();
        if (!*found || !(*found)->row || prefix_of((*found)->mac) != prefix_of(hash.mac)) {
          return std::optional<Glimpse>();
        }
        return std::optional(glimpse_of(*(*found)->row));
      },
      std::move(handler));
}

}  // namespace kachel
