// `kachel dump record` and `kachel dump segment`: what lies at a place, byte by byte.
#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include "engine/inspect/record_text.h"
#include "engine/inspect/segment_view.h"
#include "engine/segment_files.h"
#include "tools/dump_internal.h"

namespace kachel::tools {
namespace {

constexpr std::size_t kHexColumns = 16;
constexpr std::size_t kMostHexBytes =
    4096;  // of one field: a payload of MiB says nothing to people
constexpr std::string_view kRecordTypes[] = {"?",    "put",  "erase",       "expiry", "fence",
                                             "void", "mark", "scope_fence", "hold",   "release"};

std::vector<Column> record_columns() {
  return {
      {"offset", 10, true},
      {"bytes", 8, true},
      {"type", 11},
      {"sequence", 10, true},
      {"version", 10, true},
      {"tenant", 6, true},
      {"db", 3, true},
      {"hash", 32},
      {"expires", 20},
      {"erase_by", 20},
      {"value_bytes", 11, true},
  };
}

Result<inspect::SegmentView> view_of(DumpContext& context, std::uint64_t id) {
  auto segment = inspect::open_segment(context.store, id, context.on_finding());
  if (!segment) return segment.error();
  if (!*segment) {
    return Error{ErrorCode::kInvalidArgument,
                 segment_path(id) + " has no records of this store: see kachel verify segments"};
  }
  return std::move(**segment);
}

void print_field(const inspect::Field& field, std::span<const std::byte> bytes,
                 std::uint64_t base) {
  if (field.is_secret) {
    fmt::print("{:>10}  {:<48} {}: {} bytes, not shown without --reveal\n", base + field.offset,
               "** ...", field.name, field.length);
    return;
  }
  const auto shown = bytes.subspan(field.offset, std::min(field.length, kMostHexBytes));
  for (std::size_t row = 0; row < std::max<std::size_t>(shown.size(), 1); row += kHexColumns) {
    std::string hex;
    for (std::size_t i = row; i < std::min(row + kHexColumns, shown.size()); ++i) {
      hex += fmt::format("{:02x} ", std::to_integer<unsigned>(shown[i]));
    }
    const std::string what =
        row > 0 ? "" : field.name + (field.value.empty() ? "" : ": " + field.value);
    fmt::print("{:>10}  {:<48} {}\n", base + field.offset + row, hex, what);
  }
  if (shown.size() < field.length) {
    fmt::print("{:>10}  ... {} more bytes\n", "", field.length - shown.size());
  }
}

void print_header(const inspect::SegmentView& segment) {
  const format::SegmentHeader& header = segment.header;
  fmt::print("segment     {:016x} = {}, {} bytes{}\n", segment.id, segment.id, segment.file_bytes,
             segment.trailer ? ", sealed" : ", without a footer");
  fmt::print("created     {}\n", dump_time(header.created_ms));
  fmt::print("bucket      {} (of lifetimes){}\n", header.bucket,
             (header.flags & format::kSegmentFlagSurvivors) != 0 ? ", survivors of reclaim" : "");
  fmt::print("sequences   from {}\n", header.first_sequence);
  fmt::print("records     bytes {} to {}\n", segment.data_begin, segment.data_end);
  if (segment.dictionary) {
    const format::SegmentDictionary& stored = segment.dictionary->stored();
    fmt::print("dictionary  {:016x}, {} bytes of text, of {} values\n", stored.id,
               stored.content.size(), stored.samples.size());
  }
  if (const auto& trailer = segment.trailer) {
    fmt::print("table       {} entries, {} bytes at {}\n", trailer->entries, trailer->table_bytes,
               trailer->table_offset);
    fmt::print("deadlines   lowest {}, highest {}, lowest erase-by {}\n",
               dump_time(trailer->lowest_deadline_ms), dump_time(trailer->highest_deadline_ms),
               dump_time(trailer->lowest_erase_by_ms));
  }
}

Result<std::uint64_t> parse_segment_id(const std::string& text) {
  const std::string digits = text.ends_with(".seg") ? text.substr(0, text.size() - 4) : text;
  std::uint64_t id = 0;
  const auto [stopped, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), id, 16);
  if (error == std::errc() && stopped == digits.data() + digits.size() && id > 0) return id;
  return Error{ErrorCode::kInvalidArgument,
               "\"" + text + "\" is no segment: give the hexadecimal digits of its file's name"};
}

}  // namespace

Result<inspect::EntryCursor> parse_place(const std::string& text) {
  const std::size_t colon = text.find(':');
  const Error wrong{
      ErrorCode::kInvalidArgument,
      "\"" + text + "\" is no place: give SEGMENT:OFFSET, such as 000000000000001c:4096"};
  if (colon == std::string::npos) return wrong;
  const auto id = parse_segment_id(text.substr(0, colon));
  if (!id) return id.error();
  inspect::EntryCursor place{*id, 0};
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data() + colon + 1, end, place.offset);
  if (error != std::errc() || stopped != end || place.offset % format::kRecordAlignment != 0)
    return wrong;
  return place;
}

Result<void> dump_record(DumpContext& context) {
  const auto place = parse_place(context.request.place);
  if (!place) return place.error();
  const auto segment = view_of(context, place->segment_id);
  if (!segment) return segment.error();
  if (place->offset < segment->data_begin ||
      place->offset + format::kRecordFixedBytes > segment->data_end) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("the records of {} lie at bytes {} to {}", segment->path,
                             segment->data_begin, segment->data_end)};
  }
  const auto head = read_exactly(*segment->file, place->offset, format::kRecordFixedBytes);
  if (!head) return head.error();
  const auto extent = format::peek_record(*head);
  const std::uint64_t room = segment->data_end - place->offset;
  const std::uint64_t bytes = extent ? std::min<std::uint64_t>(extent->size, room)
                                     : std::min<std::uint64_t>(kMostHexBytes, room);
  // Enough for fields and the front of the payload.
  const auto all = read_exactly(*segment->file, place->offset, bytes);
  if (!all) return all.error();
  const auto record =
      format::decode_record(*all, {context.store.store_id(), segment->id, place->offset});
  fmt::print("record at {} of {}: {}\n", place->offset, segment->path,
             record ? "whole, checksums fit" : "NOT WHOLE: " + record.error().message);
  for (const inspect::Field& field : inspect::annotate_record(*all, context.request.reveal))
    print_field(field, *all, place->offset);
  context.had_damage |= !record;
  return {};
}

Result<void> dump_segment(DumpContext& context) {
  const auto id = parse_segment_id(context.request.place);
  if (!id) return id.error();
  const auto segment = view_of(context, *id);
  if (!segment) return segment.error();
  if (context.format == RowFormat::kTable) print_header(*segment);
  RowWriter writer(context.format, record_columns());
  inspect::Walk walk;
  walk.on_finding = context.on_finding();
  walk.on_bytes = [](std::uint64_t) {};
  walk.go_on = [] { return Result<void>(); };
  walk.on_record = [&](const inspect::WalkedRecord& record) {
    const MacKey key = context.store.mac_key().value_or(MacKey{});
    const auto own = format::summarize(record.meta, record.offset, record.size, key);
    const bool has_hash = own.mac != Mac{};
    writer.write({std::to_string(record.offset), std::to_string(record.size),
                  std::string(kRecordTypes[static_cast<std::size_t>(own.type)]),
                  std::to_string(own.sequence), std::to_string(own.version),
                  std::to_string(own.space.tenant), std::to_string(own.space.database),
                  has_hash ? text_of(own.mac) : "", dump_time(own.expires_at_ms),
                  dump_time(own.erase_by_ms), std::to_string(own.raw_bytes)});
  };
  const auto walked = inspect::walk_records(context.store, *segment, walk);
  return walked ? Result<void>() : walked.error();
}

}  // namespace kachel::tools
