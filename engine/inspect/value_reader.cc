// Values of any size in pieces: zstd needs its window for that, 8 MiB at most at the levels in use.
#include <memory>

#include "engine/format/bytes.h"
#include "engine/format/checksum.h"
#include "engine/format/file_window.h"
#include "engine/format/record_rules.h"
#include "engine/inspect/record_walk.h"
#include "engine/segment_files.h"
#include "engine/zstd_memory.h"

namespace kachel::inspect {
namespace {

struct FreeStream {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

Error bad_value(const std::string& what) {
  return {ErrorCode::kCorrupt, what};
}

/// Turns the stored form into the value, piece by piece.
class ValueStream {
 public:
  ValueStream(const format::RecordMeta& meta, const Dictionary* dictionary, const ValueSink& sink)
      : meta_(meta), sink_(sink) {
    if (meta.codec == format::Codec::kRaw) return;
    context_.reset(ZSTD_createDCtx_advanced(kZeroizingMemory));
    if (!context_) throw std::bad_alloc();
    if (dictionary != nullptr) ZSTD_DCtx_refDDict(context_.get(), dictionary->decompressor());
    out_.resize(ZSTD_DStreamOutSize());
  }

  Result<void> add(std::span<const std::byte> piece) {
    if (!context_) return deliver(piece);
    ZSTD_inBuffer in{piece.data(), piece.size(), 0};
    while (in.pos < in.size) {
      if (ended_) return bad_value("the frame ends before the record does");
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      const std::size_t left = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(left)) return bad_value(ZSTD_getErrorName(left));
      ended_ = left == 0;
      if (auto done = deliver(std::span(out_).first(out.pos)); !done) return done;
    }
    return {};
  }
  Result<void> finish() {
    while (context_ && !ended_) {
      ZSTD_inBuffer in{nullptr, 0, 0};
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      const std::size_t left = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(left)) return bad_value(ZSTD_getErrorName(left));
      ended_ = left == 0;
      if (!ended_ && out.pos == 0) return bad_value("the frame is cut off");
      if (auto done = deliver(std::span(out_).first(out.pos)); !done) return done;
    }
    if (delivered_ == meta_.raw_bytes) return {};
    return bad_value("it is " + std::to_string(delivered_) + " bytes long, not " +
                     std::to_string(meta_.raw_bytes));
  }

 private:
  Result<void> deliver(std::span<const std::byte> bytes) {
    delivered_ += bytes.size();
    if (delivered_ > meta_.raw_bytes) return bad_value("it is longer than its record states");
    return bytes.empty() ? Result<void>() : sink_(bytes);
  }

  const format::RecordMeta& meta_;
  const ValueSink& sink_;
  std::unique_ptr<ZSTD_DCtx, FreeStream> context_;
  ZeroizingBytes out_;
  std::uint64_t delivered_ = 0;
  bool ended_ = false;
};

}  // namespace

Result<void> read_value(const StoreView& store, const SegmentView& segment, std::uint64_t offset,
                        const ValueSink& sink) {
  auto head = read_exactly(*segment.file, offset, format::kRecordFixedBytes);
  if (!head) return head.error();
  const auto extent = format::peek_record(*head);
  if (!extent) return extent.error();
  auto front = read_exactly(*segment.file, offset, extent->meta_end);
  if (!front) return front.error();
  const format::Place place{store.store_id(), segment.id, offset};
  const auto record = format::decode_record_meta(*front, place);
  if (!record) return record.error();
  const bool wants_dictionary = record->meta.codec == format::Codec::kZstdDictionary;
  if (wants_dictionary && !segment.dictionary) return bad_value("its dictionary is not whole");

  const std::size_t bytes =
      format::load<std::uint32_t>(front->data() + format::kPayloadLengthOffset);
  format::StreamingChecksum sum(format::checksum_seed(place));
  ValueStream stream(record->meta, wants_dictionary ? segment.dictionary.get() : nullptr, sink);
  const std::uint64_t begin = offset + extent->meta_end;
  format::FileWindow window(*segment.file, begin + bytes);
  Result<void> decoded;
  for (std::uint64_t at = begin; at < begin + bytes;) {
    const auto piece =
        window.at(at, std::min<std::uint64_t>(begin + bytes - at, format::kWindowBytes));
    if (!piece) return piece.error();
    sum.update(*piece);
    at += piece->size();
    if (decoded) decoded = stream.add(*piece);
  }
  const std::uint64_t expected = bytes == 0 ? 0 : sum.value();
  if (format::load<std::uint64_t>(front->data() + format::kPayloadChecksumOffset) != expected) {
    return bad_value("the payload's checksum does not fit");
  }
  return decoded ? stream.finish() : decoded;
}

}  // namespace kachel::inspect
