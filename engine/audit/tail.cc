#include "engine/audit/tail.h"

#include <algorithm>
#include <cstring>

#include "io/check.h"

namespace kachel::audit {
namespace {

// Do not change these values: docs/format.md.
constexpr std::string_view kHeaderMagic = "KACHELAT";
constexpr std::string_view kFrameMagic = "KLVS";
constexpr std::uint32_t kTailVersion = 1;
constexpr std::size_t kHeaderFixedBytes = 64;
constexpr std::size_t kFrameHeaderBytes = 64;
constexpr std::size_t kFrameCheckOffset = 56;
constexpr std::size_t kFrameCheckBytes = kFrameHeaderBytes - kFrameCheckOffset;
/// A damaged tail is not searched for ever.
constexpr std::size_t kMaxFramesTried = 256;

template <typename T>
void put(std::string& to, T number) {
  for (std::size_t i = 0; i < sizeof number; ++i)
    to += static_cast<char>(number >> (8 * i) & 0xff);
}

template <typename T>
T get(std::string_view from, std::size_t offset) {
  T number = 0;
  for (std::size_t i = sizeof number; i-- > 0;)
    number = static_cast<T>(number << 8 | static_cast<unsigned char>(from[offset + i]));
  return number;
}

void put(std::string& to, const Hash& hash) {
  to.append(reinterpret_cast<const char*>(hash.data()), hash.size());
}

Hash get_hash(std::string_view from, std::size_t offset) {
  Hash hash;
  std::memcpy(hash.data(), from.data() + offset, hash.size());
  return hash;
}

Error damaged(const char* what) {
  return {ErrorCode::kCorrupt, std::string(kTailPath) + what +
                                   ": the newest entries of the audit log are lost, or were "
                                   "tampered with; keep the directory and look into it"};
}

struct Frame {
  std::uint64_t first = 0;
  std::uint32_t count = 0;
  std::string_view body;
  Hash root{};

  std::size_t bytes() const { return kFrameHeaderBytes + body.size(); }
};

std::string frame_check(std::string_view head, std::string_view body) {
  const std::string all = std::string(head) + std::string(body);
  const Hash hash = sha256(all);
  return {reinterpret_cast<const char*>(hash.data()), kFrameCheckBytes};
}

/// Where the frame at the front says it ends; 0 when it is no frame of any kind.
std::size_t claimed_bytes(std::string_view bytes) {
  if (bytes.size() < kFrameHeaderBytes || !bytes.starts_with(kFrameMagic)) return 0;
  const auto body_bytes = get<std::uint32_t>(bytes, 16);
  if (body_bytes > kMaxBatchBytes || get<std::uint32_t>(bytes, 20) != 0) return 0;
  return kFrameHeaderBytes + body_bytes;
}

/// The frame at the front, when its check fits.
std::optional<Frame> parse_frame(std::string_view bytes) {
  const std::size_t claimed = claimed_bytes(bytes);
  if (claimed == 0 || claimed > bytes.size()) return std::nullopt;
  const std::string_view body = bytes.substr(kFrameHeaderBytes, claimed - kFrameHeaderBytes);
  if (frame_check(bytes.substr(0, kFrameCheckOffset), body) !=
      bytes.substr(kFrameCheckOffset, kFrameCheckBytes)) {
    return std::nullopt;
  }
  return Frame{get<std::uint64_t>(bytes, 8), get<std::uint32_t>(bytes, 4), body,
               get_hash(bytes, 24)};
}

/// Whether it is the next one of this log; then its entries are in `tail`.
bool take_frame(const Frame& frame, Tail& tail) {
  const auto entries = parse_entries(frame.body);
  if (frame.first != tail.frontier.size() || !entries || entries->empty() ||
      entries->size() != frame.count) {
    return false;
  }
  Frontier grown = tail.frontier;
  std::vector<Hash> leaves;
  for (const std::string_view entry : *entries) {
    leaves.push_back(leaf_hash(entry));
    grown.append(leaves.back());
  }
  if (grown.root() != frame.root) return false;
  tail.frontier = std::move(grown);
  tail.leaves.insert(tail.leaves.end(), leaves.begin(), leaves.end());
  tail.entries.insert(tail.entries.end(), entries->begin(), entries->end());
  return true;
}

/// Each frame is durable before the next is written: one that is whole behind one that is not
/// means that the latter once was. What an entry is made of is not searched.
bool has_frame_behind(std::string_view rest, std::uint64_t after) {
  std::size_t from = std::max<std::size_t>(claimed_bytes(rest), 1);
  for (std::size_t tried = 0; tried < kMaxFramesTried; ++tried, ++from) {
    from = rest.find(kFrameMagic, from);
    if (from == std::string_view::npos) return false;
    const auto frame = parse_frame(rest.substr(from));
    if (frame && frame->first >= after) return true;
  }
  return true;  // so many beginnings of frames are no remains of one append
}

Result<RightEdge> parse_header(std::string_view bytes, std::string_view origin,
                               std::size_t& header_bytes) {
  if (bytes.size() < kHeaderFixedBytes || !bytes.starts_with(kHeaderMagic)) {
    return damaged(" is no end of an audit log");
  }
  RightEdge edge;
  edge.size = get<std::uint64_t>(bytes, 16);
  std::size_t hashes = 0;
  if (edge.size % kTileWidth != 0 || edge.size > kMaxTreeSize) return damaged(" is damaged");
  for (unsigned level = 1; level < kTileLevels; ++level)
    hashes += edge_width(edge.size, level);
  const std::size_t checked = kHeaderFixedBytes + hashes * kHashBytes;
  header_bytes = checked + kHashBytes;
  const auto written = get<std::uint32_t>(bytes, 8);
  const auto oldest = get<std::uint32_t>(bytes, 12);
  if (oldest > kTailVersion) {
    return Error{ErrorCode::kVersion, std::string(kTailPath) +
                                          " was written by a newer Kachel (format version " +
                                          std::to_string(written) + ")"};
  }
  if (oldest == 0 || written < oldest || get<std::uint64_t>(bytes, 24) != 0) {
    return damaged(" is damaged");
  }
  if (bytes.size() < header_bytes || sha256(bytes.substr(0, checked)) != get_hash(bytes, checked)) {
    return damaged(" is damaged");
  }
  if (sha256(origin) != get_hash(bytes, 32)) {
    return Error{ErrorCode::kForeign,
                 std::string(kTailPath) + " belongs to another log than " + std::string(origin)};
  }
  std::size_t offset = kHeaderFixedBytes;
  for (unsigned level = 1; level < kTileLevels; ++level) {
    for (std::size_t i = 0; i < edge_width(edge.size, level); ++i, offset += kHashBytes)
      edge.levels[level].push_back(get_hash(bytes, offset));
  }
  return edge;
}

}  // namespace

std::string encode_tail_header(std::string_view origin, const RightEdge& edge) {
  std::string bytes(kHeaderMagic);
  put(bytes, kTailVersion);
  put(bytes, kTailVersion);  // the oldest reader
  put(bytes, edge.size);
  put(bytes, std::uint64_t{0});
  put(bytes, sha256(origin));
  KACHEL_CHECK(bytes.size() == kHeaderFixedBytes, "the header's layout");
  for (unsigned level = 1; level < kTileLevels; ++level) {
    KACHEL_CHECK(edge.levels[level].size() == edge_width(edge.size, level), "an edge's width");
    for (const Hash& hash : edge.levels[level])
      put(bytes, hash);
  }
  put(bytes, sha256(bytes));
  return bytes;
}

std::string encode_frame(std::uint64_t first, std::span<const std::string> entries,
                         const Hash& root) {
  std::string body;
  for (const std::string& entry : entries)
    append_entry(body, entry);
  KACHEL_CHECK(entries.size() <= kMaxBatchEntries && body.size() <= kMaxBatchBytes,
               "more than a frame may hold");
  std::string bytes(kFrameMagic);
  put(bytes, static_cast<std::uint32_t>(entries.size()));
  put(bytes, first);
  put(bytes, static_cast<std::uint32_t>(body.size()));
  put(bytes, std::uint32_t{0});
  put(bytes, root);
  KACHEL_CHECK(bytes.size() == kFrameCheckOffset, "the frame's layout");
  bytes += frame_check(bytes, body);
  return bytes + body;
}

Result<Tail> parse_tail(std::string_view bytes, std::string_view origin) {
  Tail tail;
  auto edge = parse_header(bytes, origin, tail.whole_bytes);
  if (!edge) return edge.error();
  tail.edge = std::move(*edge);
  tail.frontier = tail.edge.frontier();
  std::string_view rest = bytes.substr(tail.whole_bytes);
  while (!rest.empty()) {
    const auto frame = parse_frame(rest);
    if (!frame || !take_frame(*frame, tail)) {
      tail.torn_bytes = rest.size();
      // Its check fits and it still does not belong there: no crash does that.
      tail.is_damaged = frame.has_value() || has_frame_behind(rest, tail.frontier.size());
      break;
    }
    rest.remove_prefix(frame->bytes());
    tail.whole_bytes += frame->bytes();
  }
  return tail;
}

std::vector<FoundFrame> find_frames(std::string_view bytes, std::size_t offset) {
  std::vector<FoundFrame> found;
  std::size_t tried = 0;
  while (tried < kMaxFramesTried &&
         (offset = bytes.find(kFrameMagic, offset)) != std::string_view::npos) {
    const auto frame = parse_frame(bytes.substr(offset));
    if (frame) found.push_back({offset, frame->first, frame->count});
    if (!frame) ++tried;
    offset += frame ? frame->bytes() : 1;
  }
  return found;
}

}  // namespace kachel::audit
