// `kachel dump`: entries.
#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "engine/audit/text.h"
#include "engine/inspect/record_text.h"
#include "engine/scope.h"
#include "tools/dump_internal.h"
#include "tools/store_check.h"

namespace kachel::tools {
namespace {

constexpr std::string_view kCodecNames[] = {"raw", "zstd", "zstd+dictionary"};

std::vector<Column> entry_columns() {
  return {{"place", 26},
          {"state", 10},
          {"tenant", 6, true},
          {"db", 2, true},
          {"key_hash", 32},
          {"version", 9, true},
          {"created", 20},
          {"expires", 20},
          {"erase_by", 20},
          {"stored_bytes", 12, true},
          {"value_bytes", 11, true},
          {"codec", 15},
          {"kind", 10},
          {"model", 12},
          {"subject_hashes", 32}};
}

/// Bytes in base 64, in pieces.
class Base64 {
 public:
  std::string add(std::span<const std::byte> bytes) {
    rest_.insert(rest_.end(), bytes.begin(), bytes.end());
    const std::size_t whole = rest_.size() / 3 * 3;  // what needs no padding
    std::string text = audit::to_base64(std::span(rest_).first(whole));
    rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(whole));
    return text;
  }
  std::string finish() { return audit::to_base64(std::exchange(rest_, {})); }

 private:
  ZeroizingBytes rest_;
};

std::string base64_of(std::string_view text) {
  return audit::to_base64(std::as_bytes(std::span(text.data(), text.size())));
}

/// What the command line asks for, in terms of records.
struct EntryFilter {
  std::optional<std::uint32_t> tenant;
  std::optional<Mac> key;
  std::optional<HashPrefix> hash;  // of the key's fields, when it is a hash
  std::optional<ScopeTag> subject;
  std::optional<std::int64_t> since_ms, until_ms;
  std::string model;
  std::string state;

  bool is_field(const inspect::DumpedEntry& entry) const {
    return has_fields(entry.record.meta.space) && prefix_of(entry.summary.mac) == *hash;
  }
  bool takes(const inspect::DumpedEntry& entry) const {
    const format::RecordMeta& meta = entry.record.meta;
    if (tenant && meta.space.tenant != *tenant) return false;
    if (key && entry.summary.mac != *key && !is_field(entry)) return false;
    if (!model.empty() && meta.model != model) return false;
    if (since_ms && meta.created_ms < *since_ms) return false;
    if (until_ms && meta.created_ms >= *until_ms) return false;
    const ScopeTags& tags = entry.summary.tags;
    if (subject && std::find(tags.begin(), tags.end(), *subject) == tags.end()) return false;
    using enum inspect::EntryState;
    if (state == "live") return entry.state == kLive || entry.state == kPending;
    if (state == "dead") return inspect::is_dead(entry.state);
    if (state == "held") return entry.state == kHeld;
    return true;
  }
};

Result<EntryFilter> filter_of(const DumpContext& context) {
  const DumpRequest& request = context.request;
  EntryFilter filter;
  filter.model = request.model;
  filter.state = request.state;
  const bool names_one = !request.key.empty() || !request.subject.empty();
  const std::uint32_t tenant = context.tenant.value_or(0);
  if (context.tenant || names_one) filter.tenant = tenant;
  for (const auto& [text, to] :
       {std::pair(&request.since, &filter.since_ms), std::pair(&request.until, &filter.until_ms)}) {
    if (text->empty()) continue;
    const auto moment = parse_moment_ms(*text);
    if (!moment) return moment.error();
    *to = *moment;
  }
  if (!context.store.mac_key()) return filter;
  const MacKey& mac_key = *context.store.mac_key();
  if (!request.key.empty()) {
    const Namespace space{tenant, static_cast<std::uint8_t>(request.database)};
    filter.key = key_mac(mac_key, space, request.key);
    filter.hash = hash_prefix(mac_key, fields_of(space), request.key);
  }
  if (!request.subject.empty()) {
    filter.subject = tag_of(scope_mac(mac_key, tenant, ScopeKind::kSubject, request.subject));
  }
  return filter;
}

std::string subject_hashes(const DumpContext& context, const format::RecordMeta& meta) {
  std::string all;
  for (const std::string_view subject : meta.subjects) {
    if (!all.empty()) all += ' ';
    all += text_of(
        scope_mac(*context.store.mac_key(), meta.space.tenant, ScopeKind::kSubject, subject));
  }
  return all;
}

std::vector<std::string> cells_of(const DumpContext& context, const inspect::DumpedEntry& entry) {
  const format::RecordMeta& meta = entry.record.meta;
  const std::int64_t expires_at_ms = meta.expires_at_ms;
  return {fmt::format("{:016x}:{}", entry.segment.id, entry.record.offset),
          std::string(inspect::entry_state_name(entry.state)),
          std::to_string(meta.space.tenant),
          std::to_string(meta.space.database),
          text_of(entry.summary.mac),
          std::to_string(entry.summary.version),
          dump_time(meta.created_ms),
          dump_time(expires_at_ms),
          dump_time(meta.erase_by_ms),
          std::to_string(entry.record.size),
          std::to_string(meta.raw_bytes),
          std::string(kCodecNames[static_cast<std::size_t>(meta.codec)]),
          std::string(inspect::kKindNames[static_cast<std::size_t>(meta.kind)]),
          std::string(meta.model),
          subject_hashes(context, meta)};
}

std::string subjects_base64(const format::RecordMeta& meta) {
  std::string all;
  for (const std::string_view subject : meta.subjects) {
    if (!all.empty()) all += ' ';
    all += base64_of(subject);
  }
  return all;
}

/// Key, subjects and value as they are, in base 64: they may be any bytes.
Result<void> reveal(const DumpContext& context, const inspect::DumpedEntry& entry,
                    RowWriter& writer) {
  const format::RecordMeta& meta = entry.record.meta;
  if (context.format == RowFormat::kJsonLines) {
    std::string subjects;
    for (const std::string_view subject : meta.subjects)
      subjects += (subjects.empty() ? "\"" : ",\"") + base64_of(subject) + "\"";
    writer.append(fmt::format(",\"key_base64\":\"{}\",\"subjects_base64\":[{}],\"value_base64\":\"",
                              base64_of(meta.key), subjects));
  } else {
    writer.append(fmt::format("{0}{1}{0}{2}{0}", context.format == RowFormat::kCsv ? "," : "  ",
                              base64_of(meta.key), subjects_base64(meta)));
  }
  Base64 value;
  auto read = inspect::read_value(context.store, entry.segment, entry.record.offset,
                                  [&](std::span<const std::byte> piece) -> Result<void> {
                                    writer.append(value.add(piece));
                                    return {};
                                  });
  writer.append(value.finish());
  if (context.format == RowFormat::kJsonLines) writer.append(read ? "\"" : "\",\"damaged\":true");
  return read || read.error().code != ErrorCode::kCorrupt ? read : Result<void>();
}

}  // namespace

Result<void> dump_entries(DumpContext& context) {
  const DumpRequest& request = context.request;
  const auto filter = filter_of(context);
  if (!filter) return filter.error();
  inspect::EntryCursor from;
  if (!request.cursor.empty()) {
    const auto place = parse_place(request.cursor);
    if (!place) return place.error();
    from = *place;
  }
  const inspect::EntryReader reader(context.store, context.now_ms);
  if (reader.index() == nullptr) {
    fmt::print(stderr,
               "kachel dump: {}: nobody can tell what is live; --state all shows every record\n",
               reader.index_problem());
    if (request.state != "all" && request.state != "held") {
      return Error{ErrorCode::kCorrupt, "the state of entries is not known without the index"};
    }
  }
  std::vector<Column> columns = entry_columns();
  if (request.reveal && context.format != RowFormat::kJsonLines) {
    columns.insert(columns.end(), {{"key_base64"}, {"subjects_base64"}, {"value_base64"}});
  }
  RowWriter writer(context.format, columns);
  std::uint64_t shown = 0;
  return reader.for_each(
      from, context.on_finding(), [&](const inspect::DumpedEntry& entry) -> Result<void> {
        if (!filter->takes(entry)) return {};
        if (request.limit != 0 && shown == request.limit) {
          fmt::print(stderr, "kachel dump: more follow: go on with --cursor {:016x}:{}\n",
                     entry.segment.id, entry.record.offset);
          return Error{ErrorCode::kAlreadyExists, ""};
        }
        ++shown;
        writer.begin(cells_of(context, entry));
        if (request.reveal) {
          if (auto done = reveal(context, entry, writer); !done) return done;
        }
        writer.finish();
        return {};
      });
}

}  // namespace kachel::tools
