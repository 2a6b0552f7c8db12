// How the values that a reclaim writes anew are compressed: with the newest dictionary of their
// tenant where that is worth while, without one where the old one has to go. Stateless but for what
// it refers to; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/codec.h"
#include "engine/core.h"

namespace kachel {

/// A put's payload as it is to be written anew.
struct Encoding {
  format::Codec codec = format::Codec::kRaw;
  Dictionary::Pointer dictionary;      // that the segment it goes to has to have
  ZeroizingBytes own;                  // empty: it is the record's
  std::span<const std::byte> payload;  // of `own`, or of the record
};

/// For the values of one segment.
class ReclaimEncoder {
 public:
  ReclaimEncoder(const Core& core, const Segment& segment) : core_(core), segment_(segment) {}

  /// What is worth being compressed anew, or has to be; nothing when it may stay as it is, or can't
  /// be read. `pressed`: only what has to be, and fast.
  std::optional<Encoding> encode_copy(const format::DecodedRecord& record, bool pressed) const;
  /// Of what is only held: where it goes there is no dictionary.
  std::optional<Encoding> encode_held(const format::DecodedRecord& record) const;

  /// Whether an entry that dies at `death_ms` (0: never) may be written in this form.
  bool may_use(const Encoding& encoding, std::int64_t death_ms) const;
  /// The payload as it is.
  Encoding as_it_is(const format::DecodedRecord& record) const;
  /// Without a dictionary. Nothing when it can't be read.
  std::optional<Encoding> without_dictionary(const format::DecodedRecord& record) const;

 private:
  std::optional<Encoding> encode(const format::DecodedRecord& record,
                                 const Dictionary::Pointer& dictionary, Effort effort) const;
  bool may_use(const Dictionary::Pointer& dictionary, std::int64_t death_ms) const;

  const Core& core_;
  const Segment& segment_;
};

}  // namespace kachel
