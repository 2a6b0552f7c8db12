#include "tools/segment_arrivals.h"

#include <algorithm>
#include <utility>

#include "engine/arrivals.h"
#include "engine/audit/files.h"
#include "engine/format/footer.h"
#include "engine/format/segment_dictionary.h"
#include "engine/hot_manifest_reader.h"
#include "engine/hot_set.h"
#include "engine/inspect/index_reader.h"
#include "engine/segment_files.h"

namespace kachel::tools {
namespace {

constexpr std::size_t kMaxSourceBytes = 4096;
// That is fetched along rather than left out, between two entries.
constexpr std::uint64_t kGapBytes = std::uint64_t{64} * 1024;

std::string source_path() {
  return std::string(kArrivingDirectory) + "/source";
}

/// In order, those that touch as one.
std::vector<Extent> merged(std::vector<Extent> extents, std::uint64_t gap_bytes) {
  std::sort(extents.begin(), extents.end(),
            [](const Extent& one, const Extent& other) { return one.begin < other.begin; });
  std::vector<Extent> all;
  for (const Extent& extent : extents) {
    if (!all.empty() && extent.begin <= all.back().end + gap_bytes) {
      all.back().end = std::max(all.back().end, extent.end);
    } else {
      all.push_back(extent);
    }
  }
  return all;
}

std::vector<Extent> gaps_between(const std::vector<Extent>& extents, std::uint64_t bytes) {
  std::vector<Extent> gaps;
  std::uint64_t at = 0;
  for (const Extent& extent : extents) {
    if (extent.begin > at) gaps.push_back({at, extent.begin});
    at = std::max(at, extent.end);
  }
  if (at < bytes) gaps.push_back({at, bytes});
  return gaps;
}

}  // namespace

Result<std::string> SegmentArrivals::source_of(io::Storage& target) {
  return audit::read_file(target, source_path(), kMaxSourceBytes);
}

Result<void> SegmentArrivals::begin(const std::string& source) {
  for (const char* directory : {kArrivingDirectory, "segments"})
    if (auto made = target_.create_directory(directory); !made) return made;
  return audit::replace_file(target_, source_path(), source);
}

Result<void> SegmentArrivals::fetch(std::uint64_t id, const std::string& path,
                                    std::span<const Extent> extents, io::File& file) {
  auto fetched = transfer_.fetch(path, extents, file);
  if (fetched) there_[id].insert(there_[id].end(), extents.begin(), extents.end());
  return fetched;
}

/// Of its whole length, and nothing in it.
Result<std::unique_ptr<io::File>> SegmentArrivals::make(const SourceFile& file) {
  const auto is_there = target_.exists(file.path);
  if (!is_there) return is_there.error();
  auto opened =
      target_.open(file.path, *is_there ? io::OpenMode::kReadWrite : io::OpenMode::kCreate);
  if (!opened) return opened.error();
  for (const std::uint64_t bytes : {std::uint64_t{0}, file.bytes})
    if (auto cut = (*opened)->truncate(bytes); !cut) return cut.error();
  return opened;
}

Result<void> SegmentArrivals::begin_segment(const format::StoreId& store_id,
                                            const SourceFile& file) {
  const auto id = parse_segment_name(file.path.substr(file.path.find('/') + 1));
  if (!id) return Error{ErrorCode::kForeign, "no segment has such a name"};
  auto opened = make(file);
  if (!opened) return opened.error();
  io::File& segment = **opened;
  const std::uint64_t head = std::min<std::uint64_t>(file.bytes, format::kSegmentHeaderBytes);
  const std::uint64_t tail =
      file.bytes - std::min<std::uint64_t>(file.bytes - head, io::kBlockBytes);
  std::vector<Extent> extents{{0, head}, {tail, file.bytes}};
  if (auto fetched = fetch(*id, file.path, extents, segment); !fetched) return fetched;
  std::vector<std::byte> bytes(head);
  if (auto read = segment.read_at(0, bytes); !read) return read.error();
  const auto header = format::decode_segment_header(bytes, store_id, *id);
  const auto trailer = read_trailer(store_id, *id, segment, file.bytes);
  // What is not sealed, or damaged, is looked through by a start.
  std::vector<Extent> rest{{head, tail}};
  const bool is_sealed =
      header && trailer && trailer->table_offset >= format::records_begin(*header);
  if (is_sealed) {
    rest = {{head, std::min(tail, format::records_begin(*header))},
            {std::min(tail, trailer->table_offset), tail}};
  }
  std::erase_if(rest, [](const Extent& extent) { return extent.begin >= extent.end; });
  if (auto fetched = fetch(*id, file.path, rest, segment); !fetched) return fetched;
  if (is_sealed && trailer->table_offset > format::records_begin(*header)) {
    auto marked = target_.open(arriving_path(*id), io::OpenMode::kCreate);
    // Cut off, it has been there before.
    if (!marked && marked.error().code != ErrorCode::kAlreadyExists) return marked.error();
  }
  return transfer_.sync_later(std::move(*opened), file.bytes);
}

Result<void> SegmentArrivals::take_hot(const format::StoreId& store_id) {
  auto manifest = HotManifestReader::open(target_, store_id);
  if (!manifest) return {};  // without one nothing is hot
  auto index = inspect::IndexReader::open(target_.native_root() + "/index");
  if (!index) return {};  // a start makes it anew
  std::vector<RowKey> keys;
  while ((*manifest)->has_more()) {
    const auto items = (*manifest)->next();
    if (!items) continue;
    for (const format::HotManifestItem& item : *items)
      keys.push_back({item.space, item.mac});
  }
  sort_as_rows(keys);
  std::map<std::uint64_t, std::vector<Extent>> wanted;
  (*index)->find_all(keys, [&](std::size_t, const Result<std::optional<Row>>& row) {
    if (!row || !*row) return;
    const std::uint64_t begin = io::round_down_to_block((*row)->offset);
    wanted[(*row)->segment_id].push_back(
        {begin, io::round_up_to_block((*row)->offset + (*row)->size)});
  });
  for (auto& [id, extents] : wanted) {
    const auto there = there_.find(id);
    const auto is_arriving = target_.exists(arriving_path(id));
    if (!is_arriving) return is_arriving.error();
    if (!*is_arriving || there == there_.end()) continue;
    auto file = target_.open(segment_path(id), io::OpenMode::kReadWrite);
    if (!file) return file.error();
    const auto bytes = (*file)->size();
    if (!bytes) return bytes.error();
    std::vector<Extent> missing;
    for (const Extent& extent : merged(std::move(extents), kGapBytes)) {
      if (extent.begin < *bytes) missing.push_back({extent.begin, std::min(extent.end, *bytes)});
    }
    if (auto fetched = fetch(id, segment_path(id), missing, **file); !fetched) return fetched;
    if (auto later = transfer_.sync_later(std::move(*file), *bytes); !later) return later;
  }
  return {};
}

Result<void> SegmentArrivals::sync() {
  if (auto synced = transfer_.wait(); !synced) return synced;
  for (const char* directory : {kArrivingDirectory, "segments"})
    if (auto synced = target_.sync_directory(directory); !synced) return synced;
  return {};
}

Result<void> SegmentArrivals::fill() {
  const auto ids = list_arriving(target_);
  if (!ids) return ids.error();
  for (auto id = ids->rbegin(); id != ids->rend(); ++id)
    if (auto filled = fill_segment(*id); !filled) return filled;
  return sync();
}

Result<void> SegmentArrivals::fill_segment(std::uint64_t id) {
  const std::string path = segment_path(id);
  auto file = target_.open(path, io::OpenMode::kReadWrite);
  if (!file && file.error().code == ErrorCode::kNotFound) return target_.remove(arriving_path(id));
  if (!file) return file.error();
  const auto bytes = (*file)->size();
  if (!bytes) return bytes.error();
  if (auto fetched = fetch(id, path, missing_of(id, *bytes), **file); !fetched) {
    const auto left = has_left(path);
    return left && *left ? Result<void>() : fetched;
  }
  return transfer_.sync_later(std::move(*file), *bytes,
                              [&target = target_, id] { return target.remove(arriving_path(id)); });
}

Result<bool> SegmentArrivals::has_left(const std::string& path) {
  const auto files = transfer_.source().list();
  if (!files) return files.error();
  return std::none_of(files->begin(), files->end(),
                      [&](const SourceFile& file) { return file.path == path; });
}

std::vector<Extent> SegmentArrivals::missing_of(std::uint64_t id, std::uint64_t bytes) const {
  const auto there = there_.find(id);
  if (there == there_.end()) return {{0, bytes}};
  return gaps_between(merged(there->second, 0), bytes);
}

Result<std::uint64_t> SegmentArrivals::count() const {
  const auto ids = list_arriving(target_);
  if (!ids) return ids.error();
  return ids->size();
}

Result<void> SegmentArrivals::end() {
  if (auto removed = target_.remove_tree(kArrivingDirectory); !removed) return removed;
  return target_.sync_directory("");
}

}  // namespace kachel::tools
