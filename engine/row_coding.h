// Coding of the index's keys and values: docs/format.md ("Index"). Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/index.h"

namespace kachel {

inline constexpr char kMetaPrefix = 0;
inline constexpr char kRowPrefix = 1;
inline constexpr char kFencePrefix = 2;
inline constexpr char kHoldPrefix = 3;

std::string encode_row_key(const RowKey& key);
std::optional<RowKey> decode_row_key(std::string_view bytes);
std::string encode_row(const Row& row);
std::optional<Row> decode_row(std::string_view bytes);

std::string encode_fence_key(const Fence& fence);
std::string encode_fence(const Fence& fence);
bool is_fence_key(std::string_view key);
std::optional<Fence> decode_fence(std::string_view key, std::string_view value);

std::string encode_hold_key(const Mac& id);
std::string encode_hold(const Hold& hold);
bool is_hold_key(std::string_view key);
std::optional<Hold> decode_hold(std::string_view key, std::string_view value);

std::string marker_key();
std::string encode_marker(const Marker& marker);
std::optional<Marker> decode_marker(std::string_view bytes);

std::string encode_counts_key(std::uint64_t segment_id);
std::optional<std::uint64_t> decode_counts_key(std::string_view bytes);
std::string encode_counts(const SegmentCounts& counts);
std::optional<SegmentCounts> decode_counts(std::uint64_t segment_id, std::string_view bytes);

}  // namespace kachel
