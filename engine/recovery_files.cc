// Recovery, second half: what it does to segment files. Loads and mends them, writes again what may
// not be durable, and seals what the last run left open.
#include <algorithm>
#include <map>
#include <utility>

#include "engine/arrivals.h"
#include "engine/failed_sync.h"
#include "engine/recovery.h"
#include "engine/segment_allocator.h"
#include "engine/segment_files.h"

namespace kachel {
namespace {
constexpr std::string_view kSegments = "segments";
constexpr std::string_view kQuarantine = "quarantine";
constexpr std::size_t kBlankChunkBytes = 64 * 1024;
}  // namespace

// ---- loading -------------------------------------------------------------------------------

Result<void> Recovery::load_segments() {
  if (auto made = core_.env.storage.create_directory("segments"); !made) return made;
  auto names = core_.env.storage.list("segments");
  if (!names) return names.error();
  const auto arriving = list_arriving(core_.env.storage);
  if (!arriving) return arriving.error();
  for (const std::string& name : *names) {
    const auto id = parse_segment_name(name);
    if (!id) continue;  // not ours to touch
    result_.next_segment_id = std::max(result_.next_segment_id, *id + 1);
    if (auto loaded = load_segment(*id); !loaded) return loaded;
  }
  for (const std::uint64_t id : *arriving) {
    const SegmentPointer segment = core_.segments.find(id);
    if (!segment) continue;
    segment->is_arriving = true;
    ++core_.arriving_segments;
  }
  result_.next_segment_id = std::max(result_.next_segment_id, identity_.segment_id_limit());
  return {};
}

Result<void> Recovery::load_segment(std::uint64_t id) {
  const std::string path = segment_path(id);
  auto file = core_.env.storage.open(path, io::OpenMode::kReadWrite);
  if (!file) return file.error();
  auto size = (*file)->size();
  if (!size) return size.error();
  if (*size == 0) {
    file->reset();
    return keep_or_remove_spare(id);
  }
  if (*size < format::kSegmentHeaderBytes) {  // not even a whole header: it never had a record
    file->reset();
    return core_.env.storage.remove(path);
  }
  std::vector<std::byte> bytes(format::kSegmentHeaderBytes);
  auto got = (*file)->read_at(0, bytes);
  if (!got) return got.error();
  bytes.resize(*got);
  auto header = format::decode_segment_header(bytes, core_.store_id, id);
  bool has_header = header.has_value();
  const std::string header_error = has_header ? "" : header.error().message;
  if (!header) {
    if (header.error().code == ErrorCode::kVersion) return header.error();
    if (header.error().code == ErrorCode::kForeign) {
      file->reset();
      ++result_.stats.damaged_segments;
      return set_aside(id, header.error().message);
    }
    header = mend_header(id, **file, *size);
    if (header) {
      has_header = true;
      ++result_.stats.damaged_segments;
    } else if (header.error().code != ErrorCode::kCorrupt &&
               header.error().code != ErrorCode::kNotFound) {
      return header.error();
    } else {
      // Its records say for themselves where they belong.
      format::SegmentHeader guess;
      guess.store_id = core_.store_id;
      guess.segment_id = id;
      guess.created_ms = core_.clock.now_ms();
      guess.first_sequence = 1;
      guess.flags = format::kSegmentFlagMadeAnew;
      guess.capacity_bytes = *size;
      if (auto found = find_dictionary(core_.store_id, id, **file, guess); !found) return found;
      header = guess;
    }
  }
  core_.clock.raise(header->created_ms);
  Loaded loaded;
  loaded.header_is_new = !has_header;
  loaded.segment = std::make_shared<Segment>(*header, std::move(*file));
  Segment& segment = *loaded.segment;
  segment.bytes = *size;
  auto trailer = read_trailer(core_.store_id, id, *segment.file, *size);
  if (!trailer && trailer.error().code == ErrorCode::kVersion) return trailer.error();
  if (!trailer && trailer.error().code == ErrorCode::kIo) return trailer.error();
  if (!has_header && !trailer) {
    auto ours = holds_records(segment);
    if (!ours) return ours.error();
    if (!*ours) {
      loaded.segment.reset();
      return drop_or_set_aside(id, header_error);
    }
  }
  // A power cut may tear the first write of a segment; anything else is damage.
  if (!has_header && (trailer || same_boot())) ++result_.stats.damaged_segments;
  if (trailer && has_header) {
    loaded.sealed = true;
    loaded.highest_sequence = trailer->highest_sequence;
    segment.highest_sequence = trailer->highest_sequence;
    segment.highest_deadline_ms = trailer->highest_deadline_ms;
    segment.note_deadlines(*trailer, core_.erase_within_ms);
    segment.state = SegmentState::kSealed;
  } else {
    segment.state = SegmentState::kSealing;
  }
  loaded.scanned_end = loaded.data_end = segment.data_begin;
  core_.segments.add(loaded.segment);
  loaded_.push_back(std::move(loaded));
  return {};
}

Result<void> Recovery::load_dictionaries() {
  std::map<std::uint64_t, std::vector<Loaded*>> by_id;
  for (Loaded& loaded : loaded_)
    if (loaded.segment->dictionary_id != 0) by_id[loaded.segment->dictionary_id].push_back(&loaded);
  for (const auto& [id, segments] : by_id)
    if (auto done = load_dictionary(segments); !done) return done;
  return {};
}

/// One that a power cut has kept from becoming whole never had a record that was durable; others
/// may lie behind it. Nobody is to take it for a damaged one once they have a footer.
void Recovery::forget_dictionary(Loaded& loaded) {
  loaded.segment->dictionary_id = 0;
  loaded.header_is_new = true;
}

/// From the first copy that is whole, in whichever of the segments that have it.
Result<void> Recovery::load_dictionary(const std::vector<Loaded*>& segments) {
  Dictionary::Pointer dictionary;
  for (const Loaded* loaded : segments) {
    auto stored = read_dictionary(core_.store_id, *loaded->segment);
    if (!stored && stored.error().code == ErrorCode::kCorrupt) continue;
    if (!stored) return stored.error();
    auto made = Dictionary::make(std::move(*stored), core_.options.dictionaries.level,
                                 core_.erase_within_ms);
    if (!made) continue;
    dictionary = std::move(*made);
    break;
  }
  if (!dictionary) {
    for (Loaded* loaded : segments) {
      if (loaded->sealed) {
        ++result_.stats.damaged_records;
      } else {
        forget_dictionary(*loaded);
      }
    }
    return {};
  }
  core_.dictionaries.add(dictionary);
  for (const Loaded* loaded : segments) {
    loaded->segment->dictionary = dictionary;
    if (dictionary->due_ms() != 0) loaded->segment->note_due(dictionary->due_ms());
  }
  return {};
}

/// A value whose dictionary is not there is not there either.
bool Recovery::is_readable(const Segment& segment, const format::RecordMeta& meta) {
  return meta.codec != format::Codec::kZstdDictionary || segment.dictionary;
}

/// A scan would find the records that are whole; the table names those that are not as well,
/// and no older value of theirs comes back with the next index.
Result<format::SegmentHeader> Recovery::mend_header(std::uint64_t id, io::File& file,
                                                    std::uint64_t file_bytes) const {
  auto header = header_from_footer(core_.store_id, id, file, file_bytes, core_.clock.now_ms());
  if (!header) return header;
  auto written = rewrite(file, 0, format::encode_segment_header(*header));
  if (!written) return written.error();
  if (auto synced = sync(file); !synced) return synced.error();
  return header;
}

Result<bool> Recovery::holds_records(const Segment& segment) const {
  bool found = false;
  auto scan =
      format::scan_segment(*segment.file, core_.store_id, segment.id, segment.data_begin,
                           [&](const format::DecodedRecord&, std::uint64_t) { found = true; });
  if (!scan) return scan.error();
  return found;
}

/// A file without a header and without a record: zeros are what a power cut leaves of a first
/// write, and mean nothing.
Result<void> Recovery::drop_or_set_aside(std::uint64_t id, const std::string& why) {
  const std::string path = segment_path(id);
  auto file = core_.env.storage.open(path, io::OpenMode::kRead);
  if (!file) return file.error();
  std::vector<std::byte> chunk(kBlankChunkBytes);
  for (std::uint64_t offset = 0;; offset += chunk.size()) {
    auto got = (*file)->read_at(offset, chunk);
    if (!got) return got.error();
    const auto end = chunk.begin() + static_cast<std::ptrdiff_t>(*got);
    const bool blank =
        std::all_of(chunk.begin(), end, [](std::byte b) { return b == std::byte{}; });
    if (!blank) break;
    if (*got == chunk.size()) continue;
    file->reset();
    return core_.env.storage.remove(path);
  }
  file->reset();
  if (same_boot()) ++result_.stats.damaged_segments;
  return set_aside(id, why);
}

/// A spare that never took a record. Its blocks may be the only ones left for erases: on a full
/// disk somebody else would have them at once. After a power cut it may have taken some, and
/// ids are not used again.
Result<void> Recovery::keep_or_remove_spare(std::uint64_t id) {
  if (same_boot() && result_.spares.size() < SegmentAllocator::kSpares) {
    result_.spares.push_back(id);
    return {};
  }
  return core_.env.storage.remove(segment_path(id));
}

/// Its room is for the index. Synced, for a file system may hold it back until then.
bool Recovery::give_up_spare() {
  if (result_.spares.empty()) return false;
  const std::uint64_t id = result_.spares.back();
  result_.spares.pop_back();
  return core_.env.storage.remove(segment_path(id)) && core_.env.storage.sync_directory(kSegments);
}

/// What is not this store's is moved out of the way, never removed.
Result<void> Recovery::set_aside(std::uint64_t id, const std::string& why) {
  if (auto made = core_.env.storage.create_directory(kQuarantine); !made) return made;
  const std::string path = segment_path(id);
  const std::string aside = std::string(kQuarantine) + path.substr(path.find('/'));
  auto renamed = core_.env.storage.rename(path, aside);
  if (!renamed) {
    return Error{renamed.error().code, path + ": " + why + "; it could not be moved to " + aside +
                                           ": " + renamed.error().message};
  }
  // First where it is now, or a power cut could leave it in neither place.
  for (const std::string_view directory : {kQuarantine, std::string_view(), kSegments}) {
    if (auto synced = core_.env.storage.sync_directory(directory); !synced) return synced;
  }
  return {};
}

// ---- what may not be durable ---------------------------------------------------------------

/// Before a footer says that everything up to its highest sequence is durable, and before the
/// index is flushed with rows that rely on it. Footers, too, that a killed process has written
/// and that may not be on disk: what they settle is not settled anew after a power cut. On
/// another boot they may come from a start that was killed before it had told of that boot.
///
/// A sync covers what is written before it, and not what one that has failed, perhaps in the
/// instant of the kill, should have written: so whatever may not be durable is written again.
///
/// The index takes care of itself. RocksDB lets no file in whose sync has failed; opening it
/// writes its manifest anew and syncs it; and its marker is part of it.
Result<void> Recovery::sync_recent(std::uint64_t cut) {
  const std::uint64_t durable = known_durable();
  const bool settles = result_.stats.clean && !after_failed_sync_;
  for (const Loaded& loaded : loaded_) {
    if (loaded.sealed && (settles || loaded.highest_sequence <= applied_through_)) continue;
    auto written = settles ? Result<void>() : rewrite_recent(loaded, durable, cut);
    // A file system that writes nothing in place, and is full.
    const bool no_room = !written && written.error().code == ErrorCode::kNoSpace;
    if (!written && (!no_room || after_failed_sync_)) return written;
    if (auto synced = sync(*loaded.segment->file); !synced) return synced;
  }
  return {};
}

Result<void> Recovery::rewrite_recent(const Loaded& loaded, std::uint64_t durable,
                                      std::uint64_t cut) {
  const Segment& segment = *loaded.segment;
  if (!loaded.header_is_new) {
    // Durable records do not vouch for it: it may be one that a start had to make anew.
    auto header = format::encode_segment_header(segment.header(core_.store_id));
    if (auto written = rewrite(*segment.file, 0, header); !written) return written;
  }
  if (segment.dictionary) {
    auto copies = dictionary_copies(segment);
    if (!copies) return copies.error();
    auto written = rewrite(*segment.file, format::kSegmentHeaderBytes, *copies);
    if (!written) return written;
  }
  if (loaded.sealed) return rewrite_footer(segment);  // its records were durable before it was
  for (const format::RecordSummary& record : loaded.scanned) {
    if (record.sequence <= durable || record.sequence >= cut) continue;
    auto bytes = read_exactly(*segment.file, record.offset, record.size);
    if (!bytes) return bytes.error();
    auto whole = format::decode_record(*bytes, {core_.store_id, segment.id, record.offset});
    // Out of the page cache since the scan.
    if (!whole) return Error{ErrorCode::kIo, segment_path(segment.id) + " reads differently"};
    auto written = rewrite(*segment.file, record.offset, *bytes);
    if (!written) return written;
  }
  return {};
}

/// As they lie there, or should. Of an earlier version they may have another length than they would
/// have now.
Result<ZeroizingBytes> Recovery::dictionary_copies(const Segment& segment) const {
  auto copies = format::encode_dictionary(segment.dictionary->stored(), core_.store_id, segment.id);
  const std::uint64_t room = segment.data_begin - format::kSegmentHeaderBytes;
  if (copies.size() == room) return copies;
  return read_exactly(*segment.file, format::kSegmentHeaderBytes, room);
}

Result<void> Recovery::rewrite_footer(const Segment& segment) {
  const std::uint64_t end = segment.bytes;
  auto trailer = read_trailer(core_.store_id, segment.id, *segment.file, end);
  if (!trailer) return trailer.error();
  auto bytes = read_exactly(*segment.file, trailer->table_offset, end - trailer->table_offset);
  if (!bytes) return bytes.error();
  return rewrite(*segment.file, trailer->table_offset, *bytes);
}

Result<void> Recovery::rewrite(io::File& file, std::uint64_t offset,
                               std::span<const std::byte> bytes) const {
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  return file.write_at(offset, std::span(&part, 1));
}

Result<void> Recovery::sync(io::File& file) const {
  return sync_or_mark(core_.env.storage, file);
}

// ---- sealing -------------------------------------------------------------------------------

void Recovery::add_to_footer(Loaded& loaded, const format::SegmentHeader& header,
                             format::RecordSummary summary) const {
  if (summary.type == format::RecordType::kPut) summary.covers = covers_of(summary.sequence);
  loaded.footer.add(header, summary);
  loaded.data_end = summary.offset + summary.size;
}

/// Footers for what the last run left open, so that appends always go to new segments.
Result<void> Recovery::seal_unsealed(std::uint64_t cut) {
  for (Loaded& loaded : loaded_) {
    if (loaded.sealed) continue;
    Segment& segment = *loaded.segment;
    const format::SegmentHeader layout = segment.header(core_.store_id);
    for (const format::RecordSummary& record : loaded.scanned) {
      if (record.sequence < cut) add_to_footer(loaded, layout, record);
    }
    const bool empty = loaded.footer.entries() == 0;
    loaded.scanned = {};
    if (empty && loaded.scan.tail_bytes != 0 && same_boot()) {
      core_.segments.remove(segment.id);
      core_.segments.forget(segment.id);
      if (auto aside = set_aside(segment.id, "no record in it is whole"); !aside) return aside;
      continue;
    }
    if (empty) {
      core_.segments.remove(segment.id);
      if (auto removed = core_.env.storage.remove(segment_path(segment.id)); !removed) {
        return removed;
      }
      core_.segments.forget(segment.id);
      continue;
    }
    const std::uint64_t data_end = loaded.data_end;
    format::EncodedFooter footer = loaded.footer.finish(core_.store_id, layout, data_end);
    iovec part{footer.bytes.data(), footer.bytes.size()};
    // What is voided goes for good before there is a footer: without the footer, which may be
    // lost though the next start has seen it, it would be back.
    if (segment.bytes > data_end) {
      if (auto cut_off = segment.file->truncate(data_end); !cut_off) return cut_off;
      if (auto synced = sync(*segment.file); !synced) return synced;
    }
    if (loaded.header_is_new) {
      auto written = rewrite(*segment.file, 0, format::encode_segment_header(layout));
      if (!written) return written;
      // Before there is a footer: a sealed segment without a header would be a damaged one.
      if (auto synced = sync(*segment.file); !synced) return synced;
    }
    auto written = segment.file->write_at(data_end, std::span(&part, 1));
    const bool no_room = !written && written.error().code == ErrorCode::kNoSpace;
    if (!written && !no_room) return written;
    // On a full disk it goes without: it is scanned when its table is needed.
    const std::uint64_t end = no_room ? data_end : data_end + footer.bytes.size();
    if (auto cut_off = segment.file->truncate(end); !cut_off) return cut_off;
    if (auto synced = sync(*segment.file); !synced) return synced;
    segment.bytes = end;
    segment.data_end = data_end;
    segment.highest_sequence = footer.trailer.highest_sequence;
    segment.highest_deadline_ms = footer.trailer.highest_deadline_ms;
    segment.note_deadlines(footer.trailer, core_.erase_within_ms);
    segment.state = SegmentState::kSealed;
  }
  return core_.env.storage.sync_directory("segments");
}

}  // namespace kachel
