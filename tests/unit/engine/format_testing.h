// What the tests of the format share: a store's identity, records by seed, a file in memory.
#pragma once

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "engine/format/bytes.h"
#include "engine/format/checksum.h"
#include "engine/format/footer.h"
#include "engine/format/record.h"
#include "engine/format/record_rules.h"
#include "io/file.h"

namespace kachel::format {

using Bytes = std::vector<std::byte>;
using Random = std::mt19937_64;

constexpr StoreId test_store(std::uint8_t first = 0xa0) {
  StoreId id{};
  for (std::size_t i = 0; i < id.size(); ++i)
    id[i] = static_cast<std::byte>(first + i);
  return id;
}

inline MacKey test_mac_key() {
  MacKey key;
  for (std::size_t i = 0; i < key.size(); ++i)
    key[i] = static_cast<std::byte>(i);
  return key;
}

inline std::string hex(std::span<const std::byte> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4];
    text += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

inline Bytes copy_of(std::span<const std::byte> bytes) {
  return {bytes.begin(), bytes.end()};
}

inline void flip(Bytes& bytes, std::size_t bit) {
  bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
}

/// Puts the checksum of a structure that a test has changed in its last 8 bytes.
inline void reseal(std::span<std::byte> bytes, std::uint64_t seed) {
  const auto body = bytes.first(bytes.size() - 8);
  store(bytes.data() + body.size(), checksum(body, seed));
}

inline std::uint64_t below(Random& random, std::uint64_t limit) {
  return random() % limit;
}

/// Small and large numbers alike: a random width first.
inline std::uint64_t some_number(Random& random, unsigned max_bits = 64) {
  const auto bits = below(random, max_bits + 1);
  return bits == 0 ? 0 : random() >> (64 - bits);
}

inline std::string some_text(Random& random, std::size_t max_bytes) {
  std::string text(below(random, max_bytes + 1), '\0');
  for (char& c : text)
    c = static_cast<char>(random());
  return text;
}

inline Bytes some_bytes(Random& random, std::size_t count) {
  Bytes bytes(count);
  for (std::byte& byte : bytes)
    byte = static_cast<std::byte>(random());
  return bytes;
}

/// A record with the memory its views point into.
struct OwnedRecord {
  RecordMeta meta;
  std::string model;
  std::string key;
  std::vector<std::string> subjects;
  Bytes payload;

  OwnedRecord() = default;
  OwnedRecord(const OwnedRecord&) = delete;
  OwnedRecord& operator=(const OwnedRecord&) = delete;

  void link() {
    meta.model = model;
    meta.key = key;
    meta.subjects.assign(subjects.begin(), subjects.end());
  }
  EncodedRecord encode(const Place& place) const {
    EncodedRecord record = encode_record(meta, payload);
    record.finish(place, meta.sequence);
    return record;
  }
};

inline void fill_put(OwnedRecord& record, Random& random, std::size_t max_payload_bytes) {
  RecordMeta& meta = record.meta;
  record.payload = some_bytes(random, below(random, max_payload_bytes + 1));
  meta.kind = static_cast<Kind>(below(random, 3));
  meta.codec = record.payload.empty() ? Codec::kRaw : static_cast<Codec>(below(random, 2));
  meta.raw_bytes =
      meta.codec == Codec::kRaw ? record.payload.size() : below(random, kMaxPayloadBytes + 1);
  meta.erase_by_ms = static_cast<std::int64_t>(some_number(random, 63));
  meta.tokens_in = some_number(random);
  meta.tokens_out = some_number(random);
  meta.cost_micro_usd = some_number(random);
  record.model = some_text(random, 40);
  record.subjects.resize(below(random, kMaxSubjects + 1));
  for (std::string& subject : record.subjects)
    subject = some_text(random, 30);
}

inline void fill_record(OwnedRecord& record, RecordType type, Random& random,
                        std::size_t max_payload_bytes = 200) {
  RecordMeta& meta = record.meta;
  meta.type = type;
  meta.flags = below(random, 2) == 0 ? 0 : kFlagMoved;
  meta.sequence = std::max<std::uint64_t>(1, some_number(random, 62));
  meta.version = below(random, 2) == 0 ? 0 : 1 + below(random, meta.sequence);
  meta.created_ms = static_cast<std::int64_t>(some_number(random, 63));
  if (type != RecordType::kVoid && type != RecordType::kMark) {
    meta.space = {static_cast<std::uint32_t>(some_number(random, 32)),
                  static_cast<std::uint8_t>(below(random, kDatabases))};
  }
  if (type == RecordType::kPut) record.key = some_text(random, 60);
  if (type != RecordType::kPut && has_mac(type)) {
    for (std::byte& byte : meta.mac.bytes)
      byte = static_cast<std::byte>(random());
  }
  if (type == RecordType::kPut || type == RecordType::kExpiry) {
    meta.expires_at_ms = static_cast<std::int64_t>(some_number(random, 63));
  }
  if (type == RecordType::kPut) fill_put(record, random, max_payload_bytes);
  if (type == RecordType::kErase) meta.covers = some_number(random);
  if (type == RecordType::kFence && below(random, 2) == 0) meta.space.database = kAllDatabases;
  if (type == RecordType::kScopeFence) {
    meta.space.database = below(random, 2) == 0 ? kSubjectScope : kModelScope;
  }
  if (type == RecordType::kRelease) meta.space.database = kAllDatabases;
  if (type == RecordType::kHold) {
    const bool is_subject = below(random, 2) == 0;
    meta.space.database = is_subject ? kSubjectScope : kAllDatabases;
    if (is_subject) {
      for (std::byte& byte : meta.scope.bytes)
        byte = static_cast<std::byte>(random());
    }
  }
  if (type == RecordType::kPut && meta.flags == kFlagMoved && below(random, 3) == 0) {
    meta.flags |= kFlagHeld;
  }
  if (type == RecordType::kVoid) {
    meta.last_void = std::max<std::uint64_t>(1, some_number(random, 62));
    meta.first_void = 1 + below(random, meta.last_void);
  }
  if (type == RecordType::kMark) {
    meta.written_through = some_number(random, 62);
    meta.durable_through = meta.written_through / 2;
  }
  record.link();
}

inline constexpr RecordType kAllTypes[] = {
    RecordType::kPut,        RecordType::kErase, RecordType::kExpiry,
    RecordType::kFence,      RecordType::kVoid,  RecordType::kMark,
    RecordType::kScopeFence, RecordType::kHold,  RecordType::kRelease};

/// Bytes in memory behind the interface of a file. Reads only.
class MemoryFile : public io::File {
 public:
  explicit MemoryFile(Bytes bytes) : bytes_(std::move(bytes)) {}
  Bytes& bytes() { return bytes_; }
  std::size_t largest_read() const { return largest_read_; }
  void fail_reads() { fails_ = true; }
  void end_reads_at(std::uint64_t offset) { reads_end_ = offset; }

  Result<std::uint64_t> size() const override { return bytes_.size(); }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (fails_) return Error{ErrorCode::kIo, "the test says so"};
    largest_read_ = std::max(largest_read_, out.size());
    const std::uint64_t end = std::min<std::uint64_t>(bytes_.size(), reads_end_);
    if (offset >= end) return std::size_t{0};
    const std::size_t count = std::min<std::size_t>(out.size(), end - offset);
    if (count > 0) std::memcpy(out.data(), bytes_.data() + offset, count);
    return count;
  }
  Result<void> reserve(std::uint64_t) override { return unsupported(); }
  Result<void> truncate(std::uint64_t) override { return unsupported(); }
  Result<void> write_at(std::uint64_t, std::span<iovec>) override { return unsupported(); }
  Result<void> sync() override { return unsupported(); }
  void prefetch(std::uint64_t, std::uint64_t) const override {}
  void drop_cache(std::uint64_t, std::uint64_t) override {}

 private:
  static Error unsupported() { return {ErrorCode::kUnsupported, "read only"}; }

  Bytes bytes_;
  mutable std::size_t largest_read_ = 0;
  bool fails_ = false;
  std::uint64_t reads_end_ = UINT64_MAX;
};

}  // namespace kachel::format
