// `kachel dump`: the index, tombstones, holds, dictionaries, and the audit log.
#include <algorithm>
#include <fmt/format.h>

#include "engine/audit/files.h"
#include "engine/audit/tail.h"
#include "engine/audit/tiles.h"
#include "engine/row_coding.h"
#include "tools/dump_internal.h"

namespace kachel::tools {
namespace {

Error no_index(const std::string& why) {
  return {ErrorCode::kCorrupt, "the index can't be read: " + why};
}

Result<std::unique_ptr<inspect::IndexReader>> index_of(const DumpContext& context) {
  auto index = inspect::IndexReader::open(context.store.storage().native_root() + "/index");
  if (!index) return no_index(index.error().message);
  return index;
}

std::string dumped_scope(Namespace space) {
  if (space.database == kSubjectScope) return "subject";
  if (space.database == kModelScope) return "model";
  if (space.database == format::kAllDatabases) return "tenant";
  if (has_fields(space)) {
    return "fields of database " + std::to_string(space.database & ~kFieldsBit);
  }
  return "database " + std::to_string(space.database);
}

std::string hash_text(const Mac& mac) {
  return mac == Mac{} ? "" : text_of(mac);
}

}  // namespace

Result<void> dump_index(DumpContext& context) {
  const auto index = index_of(context);
  if (!index) return index.error();
  RowWriter writer(context.format, {{"tenant", 6, true},
                                    {"db", 2, true},
                                    {"key_hash", 32},
                                    {"place", 26},
                                    {"bytes", 8, true},
                                    {"sequence", 10, true},
                                    {"version", 10, true},
                                    {"expires", 20},
                                    {"erase_by", 20},
                                    {"value_bytes", 11, true}});
  const char first = kRowPrefix;
  auto done = (*index)->for_each(
      {&first, 1}, [&](std::string_view key, std::string_view value) -> Result<void> {
        if (key.empty() || key[0] != kRowPrefix) return Error{ErrorCode::kAlreadyExists, ""};
        const auto row_key = decode_row_key(key);
        const auto row = decode_row(value);
        if (!row_key || !row) {
          context.had_damage = true;
          fmt::print(stderr, "kachel dump: a row that can't be decoded\n");
          return {};
        }
        writer.write({std::to_string(row_key->space.tenant),
                      std::to_string(row_key->space.database), text_of(row_key->mac),
                      fmt::format("{:016x}:{}", row->segment_id, row->offset),
                      std::to_string(row->size), std::to_string(row->sequence),
                      std::to_string(row->version), dump_time(row->expires_at_ms),
                      dump_time(row->erase_by_ms), std::to_string(row->raw_bytes)});
        return {};
      });
  return done || done.error().code != ErrorCode::kAlreadyExists ? done : Result<void>();
}

Result<void> dump_tombstones(DumpContext& context) {
  RowWriter writer(context.format, {{"place", 26},
                                    {"scope", 12},
                                    {"tenant", 6, true},
                                    {"hash", 32},
                                    {"kills_versions_below", 20, true},
                                    {"created", 20}});
  const auto ids = inspect::segment_ids(context.store);
  if (!ids) return ids.error();
  for (const std::uint64_t id : *ids) {
    auto segment = inspect::open_segment(context.store, id, context.on_finding());
    if (!segment) return segment.error();
    if (!*segment) continue;
    inspect::Walk walk;
    walk.check_values = false;
    walk.on_finding = context.on_finding();
    walk.on_bytes = [](std::uint64_t) {};
    walk.go_on = [] { return Result<void>(); };
    walk.on_record = [&](const inspect::WalkedRecord& record) {
      using enum format::RecordType;
      const format::RecordMeta& meta = record.meta;
      if (meta.type != kErase && meta.type != kFence && meta.type != kScopeFence) return;
      writer.write({fmt::format("{:016x}:{}", id, record.offset),
                    meta.type == kErase ? "key" : dumped_scope(meta.space),
                    std::to_string(meta.space.tenant), hash_text(meta.mac),
                    std::to_string(meta.version), dump_time(meta.created_ms)});
    };
    const auto walked = inspect::walk_records(context.store, **segment, walk);
    if (!walked) return walked.error();
  }
  return {};
}

Result<void> dump_holds(DumpContext& context) {
  const inspect::EntryReader reader(context.store, context.now_ms);
  if (reader.index() == nullptr) return no_index(reader.index_problem());
  RowWriter writer(
      context.format,
      {{"id", 36}, {"scope", 12}, {"tenant", 6, true}, {"hash", 32}, {"since_version", 13, true}});
  for (const Hold& hold : reader.holds()) {
    writer.write({text_of(hold_id(hold.id)), dumped_scope(hold.space),
                  std::to_string(hold.space.tenant), hash_text(hold.scope),
                  std::to_string(hold.version)});
  }
  return {};
}

Result<void> dump_dictionaries(DumpContext& context) {
  RowWriter writer(context.format, {{"segment", 16},
                                    {"id", 16},
                                    {"tenant", 6, true},
                                    {"text_bytes", 10, true},
                                    {"values", 6, true},
                                    {"scopes", 6, true},
                                    {"created", 20},
                                    {"lowest_expiry", 20},
                                    {"lowest_erase_by", 20}});
  const auto ids = inspect::segment_ids(context.store);
  if (!ids) return ids.error();
  for (const std::uint64_t id : *ids) {
    auto segment = inspect::open_segment(context.store, id, context.on_finding());
    if (!segment) return segment.error();
    if (!*segment || !(*segment)->dictionary) continue;
    const format::SegmentDictionary& stored = (*segment)->dictionary->stored();
    writer.write({fmt::format("{:016x}", id), fmt::format("{:016x}", stored.id),
                  std::to_string(stored.space.tenant), std::to_string(stored.content.size()),
                  std::to_string(stored.samples.size()), std::to_string(stored.scopes.size()),
                  dump_time(stored.created_ms), dump_time(stored.lowest_expires_ms),
                  dump_time(stored.lowest_erase_by_ms)});
  }
  return {};
}

/// As the leaves are, one a line: they are JSON, and have no names in them.
Result<void> dump_audit(DumpContext& context) {
  io::Storage& storage = context.store.storage();
  const auto bytes = audit::read_file(storage, std::string(audit::kTailPath),
                                      audit::kMaxTailBytes + audit::kMaxBatchBytes);
  if (!bytes) return Error{ErrorCode::kNotFound, "there is no audit log here"};
  const auto tail = audit::parse_tail(*bytes, inspect::audit_origin(context.store.store_id()));
  if (!tail) return tail.error();
  for (std::uint64_t index = 0; index < tail->edge.size / audit::kTileWidth; ++index) {
    const auto bundle =
        audit::read_file(storage, audit::bundle_path(index), audit::kMaxBundleBytes);
    if (!bundle) return bundle.error();
    const auto entries = audit::parse_entries(*bundle);
    if (!entries) {
      return Error{ErrorCode::kCorrupt,
                   audit::bundle_path(index) + " is damaged: see kachel verify audit"};
    }
    for (const std::string_view entry : *entries)
      fmt::print("{}\n", entry);
  }
  for (const std::string& entry : tail->entries)
    fmt::print("{}\n", entry);
  return {};
}

}  // namespace kachel::tools
