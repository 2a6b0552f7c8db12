#include "tests/fuzz/damage.h"

#include "engine/format/bytes.h"
#include "engine/format/structure.h"
#include "engine/format/superblock.h"
#include "engine/segment.h"

namespace kachel::fuzz {
namespace {

using namespace kachel::format;

constexpr std::size_t kMaxSteps = 12;
constexpr std::size_t kMaxFileBytes = 256 * 1024;
constexpr std::size_t kMaxFiles = 12;

class Vandal {
 public:
  Vandal(StoreImage& image, Input& input) : image_(image), input_(input) {
    const auto superblock = decode_superblock(image.files.at("superblock"));
    KACHEL_CHECK(superblock.has_value(), "the image is damaged before it was");
    signature_.store_id = superblock->store_id;
    signature_.mac_key = decode_key_file(image.files.at("key"), superblock->store_id)->mac_key;
  }

  void step() {
    if (image_.files.empty()) return;
    const std::string path = any_file();
    Bytes& bytes = image_.files[path];
    switch (input_.u8() % 16) {
      case 0:
        return overwrite(bytes, input_.below(bytes.size()), input_.bytes(input_.u8() % 32));
      case 1:
        return flip(bytes);
      case 2:
        return bytes.resize(input_.below(bytes.size() + 1));
      case 3:
        return bytes.resize(std::min(kMaxFileBytes, bytes.size() + input_.u16()));
      case 4:
        image_.files.erase(path);
        return;
      case 5:
        return duplicate(path);
      case 6:
        return splice(bytes, image_.files[any_file()]);
      case 7:
        return blank(bytes);
      case 8:
        return std::swap(bytes, image_.files[any_file()]);
      case 9:
        return reseal(path);
      case 10:
        return bend_superblock();
      case 11:
        return bend_index();
      case 12:
        return bend_surroundings();
      default:
        return rewrite_segment(image_, signature_, any_segment(path), input_);
    }
  }

 private:
  std::string any_file() {
    auto at = image_.files.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(input_.u8() % image_.files.size()));
    return at->first;
  }
  /// `path`, or the one of this image's segments that comes after it.
  std::string any_segment(const std::string& path) {
    const auto found = image_.files.lower_bound(std::max(path, std::string("segments/")));
    return found != image_.files.end() && found->first.starts_with("segments/") ? found->first
                                                                                : std::string();
  }

  static void overwrite(Bytes& bytes, std::size_t at, std::span<const std::byte> with) {
    const std::size_t count = std::min(with.size(), bytes.size() - std::min(at, bytes.size()));
    std::ranges::copy(with.first(count), bytes.begin() + static_cast<std::ptrdiff_t>(at));
  }

  void flip(Bytes& bytes) {
    if (bytes.empty()) return;
    bytes[input_.below(bytes.size())] ^= static_cast<std::byte>(1u << (input_.u8() % 8));
  }

  void blank(Bytes& bytes) {
    constexpr std::size_t kSectorBytes = 512;
    const std::size_t from = input_.below(bytes.size() / kSectorBytes + 1) * kSectorBytes;
    overwrite(bytes, std::min(from, bytes.size()), Bytes((1 + input_.u8() % 8) * kSectorBytes));
  }

  void duplicate(const std::string& path) {
    if (image_.files.size() >= kMaxFiles) return;
    static constexpr std::string_view kNames[] = {"superblock.new", "segments/ffffffffffffffff.seg",
                                                  "segments/fffffffffffffc00.seg",
                                                  "segments/notes.txt"};
    const std::uint8_t choice = input_.u8();
    const std::string name =
        choice < std::size(kNames) ? std::string(kNames[choice]) : segment_path(1 + choice % 16u);
    image_.files[name] = Bytes(image_.files[path]);
  }

  void splice(Bytes& to, const Bytes& from) {
    const std::size_t begin = input_.below(from.size() / 8 + 1) * 8;
    const auto part = std::span(from).subspan(std::min(begin, from.size()));
    const Bytes taken = exact_copy(part.first(std::min<std::size_t>(part.size(), input_.u16())));
    overwrite(to, std::min(to.size(), input_.below(to.size() / 8 + 1) * 8), taken);
  }

  // The checksums of the file's own structures, as if what it says had been written so.
  void reseal(const std::string& path) {
    Bytes& bytes = image_.files[path];
    if (path == "superblock") {
      for (std::size_t at = 0; at + kSuperblockCopyBytes <= bytes.size();
           at += kSuperblockCopyBytes) {
        seal_structure(std::span(bytes).subspan(at, kSuperblockCopyBytes), 0);
      }
    } else if (path == "key") {
      if (bytes.size() >= kKeyFileBytes) seal_structure(bytes, 0);
    } else if (const auto id = parse_segment_name(path.substr(path.find('/') + 1))) {
      reseal_segment(bytes, *id);
    }
  }

  void reseal_segment(Bytes& bytes, std::uint64_t id) {
    const StoreId& store = signature_.store_id;
    if (bytes.size() < kSegmentHeaderBytes + kTrailerBytes) return;
    seal_structure(std::span(bytes).first(kSegmentHeaderBytes), checksum_seed({store, id, 0}));
    const std::uint64_t at = bytes.size() - kTrailerBytes;
    const auto trailer = std::span(bytes).last(kTrailerBytes);
    const auto table_offset = load<std::uint64_t>(trailer.data() + 40);
    const auto table_bytes = load<std::uint64_t>(trailer.data() + 48);
    if (table_offset <= at && table_bytes <= at - table_offset) {
      const auto table = std::span(bytes).subspan(table_offset, table_bytes);
      format::store(trailer.data() + 104,
                    checksum(table, checksum_seed({store, id, table_offset})));
    }
    seal_structure(trailer, checksum_seed({store, id, at}));
  }

  void bend_superblock() {
    const auto found = image_.files.find("superblock");
    if (found == image_.files.end()) return;
    auto superblock = decode_superblock(found->second);
    if (!superblock) return;
    switch (input_.u8() % 6) {
      case 0:
        superblock->sequence_limit = bend(superblock->sequence_limit, input_);
        break;
      case 1:
        superblock->segment_id_limit = bend(superblock->segment_id_limit, input_);
        break;
      case 2:
        superblock->highest_wall_ms = static_cast<std::int64_t>(
            bend(static_cast<std::uint64_t>(superblock->highest_wall_ms), input_));
        break;
      case 3:
        superblock->state = static_cast<StoreState>(1 + input_.u8() % 3);
        break;
      case 4:
        superblock->generation = bend(superblock->generation, input_);
        break;
      default:
        superblock->boot_id = {std::byte{input_.u8()}};
        break;
    }
    found->second = encode_superblock_copy(*superblock);
    const Bytes copy = found->second;
    found->second.insert(found->second.end(), copy.begin(), copy.end());
  }

  void bend_index() {
    MemoryIndexImage& index = image_.index;
    switch (input_.u8() % 6) {
      case 0:
        index = {};
        return;
      case 1:
        if (index.marker) {
          index.marker->applied_through = bend(index.marker->applied_through, input_);
        }
        return;
      case 2:
        if (index.marker && !index.marker->open_segments.empty()) {
          auto& place = index.marker->open_segments.front();
          place.second = bend(place.second, input_);
        }
        return;
      case 3:
        return bend_row(index);
      case 4:
        return bend_fence(index);
      default:
        if (!index.counts.empty()) {
          SegmentCounts& counts = index.counts.begin()->second;
          counts.live_bytes = bend(counts.live_bytes, input_);
          for (auto& [space, share] : counts.live)
            share = {input_.u8(), input_.u8()};
        }
        return;
    }
  }

  void bend_fence(MemoryIndexImage& index) {
    Fence fence{.space = {0, static_cast<std::uint8_t>(input_.u8() % 2)}};
    if (input_.u8() % 2 == 0) fence.space.database = kSubjectScope;
    fence.version = bend(1, input_);
    index.fences[{fence.space, fence.mac}] = fence;
  }

  void bend_row(MemoryIndexImage& index) {
    if (index.rows.empty()) return;
    auto at = index.rows.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(input_.u8() % index.rows.size()));
    Row& row = at->second;
    switch (input_.u8() % 6) {
      case 0:
        index.rows.erase(at);
        return;
      case 1:
        row.segment_id = bend(row.segment_id, input_);
        return;
      case 2:
        row.offset = bend(row.offset, input_) % kMaxFileBytes / 8 * 8;
        return;
      case 3:
        row.size = static_cast<std::uint32_t>(bend(row.size, input_) % kMaxFileBytes / 8 * 8);
        return;
      case 4:
        row.sequence = std::max(row.version, bend(row.sequence, input_));
        return;
      default:
        std::swap(row, index.rows.begin()->second);
        return;
    }
  }

  // A reboot, and the clock.
  void bend_surroundings() {
    if (input_.flag()) image_.boot_id = std::string(32, '2');
    constexpr std::int64_t kYearMs = std::int64_t{365} * 86'400'000;
    image_.wall_ms += (input_.u8() - 128) * kYearMs / 64;
  }

  StoreImage& image_;
  Input& input_;
  Signature signature_;
};

}  // namespace

std::uint64_t bend(std::uint64_t number, Input& input) {
  switch (input.u8() % 6) {
    case 0:
      return input.u8();
    case 1:
      return number + input.u8();
    case 2:
      return number - input.u8();
    case 3:
      return ~std::uint64_t{0} - input.u16();
    case 4:
      return std::uint64_t{1} << (input.u8() % 64);
    default:
      return input.u64();
  }
}

bool damage(StoreImage& image, Input& input) {
  if (input.empty()) return false;
  Vandal vandal(image, input);
  for (std::size_t step = 0; step < kMaxSteps && !input.empty(); ++step)
    vandal.step();
  return true;
}

}  // namespace kachel::fuzz
