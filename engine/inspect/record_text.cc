#include "engine/inspect/record_text.h"

#include <algorithm>

#include "engine/format/bytes.h"
#include "engine/format/record_rules.h"

namespace kachel::inspect {
namespace {

constexpr std::string_view kTypes[] = {"?",    "put",  "erase",       "expiry", "fence",
                                       "void", "mark", "scope fence", "hold",   "release"};
constexpr std::string_view kCodecs[] = {"raw", "zstd", "zstd with the segment's dictionary"};

template <std::size_t N>
std::string named(std::uint64_t number, const std::string_view (&names)[N]) {
  return std::to_string(number) + " = " + std::string(number < N ? names[number] : "unknown");
}

class Annotator {
 public:
  Annotator(std::span<const std::byte> bytes, bool reveals)
      : bytes_(bytes), reveals_(reveals), reader_(bytes) {}

  std::vector<Field> run() {
    fixed();
    if (reader_.ok() && at() == format::kRecordFixedBytes) meta();
    rest();
    return std::move(fields_);
  }

 private:
  std::size_t at() const { return bytes_.size() - reader_.remaining(); }

  template <typename Number>
  std::uint64_t number(const char* name) {
    const std::size_t begin = at();
    const auto taken = reader_.bytes(sizeof(Number));
    if (taken.empty()) return 0;
    const std::uint64_t value = format::load<Number>(taken.data());
    add(begin, name, std::to_string(value));
    return value;
  }
  std::uint64_t varint(const char* name) {
    const std::size_t begin = at();
    const std::uint64_t value = reader_.varint();
    if (reader_.ok()) add(begin, name, std::to_string(value));
    return value;
  }
  void mac(const char* name) {
    const std::size_t begin = at();
    Mac value;
    const auto taken = reader_.bytes(value.bytes.size());
    if (taken.empty()) return;
    value.bytes = format::load<decltype(value.bytes)>(taken.data());
    add(begin, name, text_of(value));
  }
  void text(const char* name, bool is_secret) {
    const std::uint64_t length = varint((std::string(name) + " length").c_str());
    const std::size_t begin = at();
    const std::string_view value = reader_.text(length);
    if (!reader_.ok() || length == 0) return;
    const bool hides = is_secret && !reveals_;
    add(begin, name, hides ? "" : "\"" + std::string(value) + "\"", hides);
  }
  void add(std::size_t begin, std::string name, std::string value, bool is_secret = false) {
    if (!reader_.ok()) return;
    fields_.push_back({begin, at() - begin, std::move(name), std::move(value), is_secret});
  }
  void name_last(std::string value) {
    if (reader_.ok() && !fields_.empty()) fields_.back().value = std::move(value);
  }

  void fixed() {
    const std::uint64_t magic = number<std::uint32_t>("magic");
    name_last(magic == format::kRecordMagic ? "KREC" : "not KREC: this is no record");
    type_ = static_cast<format::RecordType>(number<std::uint8_t>("type"));
    name_last(named(static_cast<std::uint64_t>(type_), kTypes));
    const std::uint64_t codec = number<std::uint8_t>("codec");
    name_last(named(codec, kCodecs));
    flags_ = number<std::uint8_t>("flags");
    name_last(std::to_string(flags_) + ((flags_ & format::kFlagMoved) != 0 ? " moved" : "") +
              ((flags_ & format::kFlagVersioned) != 0 ? " versioned" : "") +
              ((flags_ & format::kFlagHeld) != 0 ? " held" : ""));
    const std::uint64_t kind = number<std::uint8_t>("kind");
    name_last(named(kind, kKindNames));
    meta_bytes_ = number<std::uint32_t>("meta length, bytes");
    payload_bytes_ = number<std::uint32_t>("payload length, bytes");
    number<std::uint64_t>("sequence");
    number<std::uint64_t>("payload checksum");
    number<std::uint64_t>("header checksum");
  }

  void meta() {
    using enum format::RecordType;
    if (!format::is_record_type(static_cast<std::uint8_t>(type_))) return;
    if ((flags_ & format::kFlagVersioned) != 0) number<std::uint64_t>("version");
    Namespace space;
    if (format::has_namespace(type_)) {
      space.tenant = static_cast<std::uint32_t>(varint("tenant"));
      space.database = static_cast<std::uint8_t>(varint("database"));
    }
    varint("created, ms");
    if (type_ == kPut || type_ == kExpiry) varint("expires at, ms");
    if (type_ == kPut) put();
    if (type_ == kErase) varint("covers segments from");
    if (type_ == kPut) {
      text("key", true);
    } else if (format::has_mac(type_)) {
      mac(type_ == kHold || type_ == kRelease ? "id of the hold" : "keyed hash");
    }
    if (format::has_scope(type_, space)) mac("keyed hash of the subject");
    if (type_ == kVoid) {
      varint("first voided sequence");
      varint("last voided sequence");
    }
    if (type_ == kMark) {
      varint("durable through sequence");
      varint("written through sequence");
    }
  }

  void put() {
    varint("erase by, ms");
    varint("raw length of the value, bytes");
    varint("tokens in");
    varint("tokens out");
    varint("cost, micro-USD");
    text("model", false);
    const std::uint64_t subjects = varint("number of subjects");
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(subjects, kMaxSubjects); ++i)
      text("subject", true);
  }

  /// Payload and padding, or what could not be understood.
  void rest() {
    std::size_t begin = fields_.empty() ? 0 : fields_.back().offset + fields_.back().length;
    const std::size_t payload = format::kRecordFixedBytes + meta_bytes_;
    if (reader_.ok() && begin == payload && payload_bytes_ <= bytes_.size() - begin) {
      if (payload_bytes_ > 0) {
        fields_.push_back(
            {begin, static_cast<std::size_t>(payload_bytes_), "payload", "", !reveals_});
      }
      begin += static_cast<std::size_t>(payload_bytes_);
      if (begin < bytes_.size()) {
        const auto padding = bytes_.subspan(begin);
        fields_.push_back({begin, padding.size(), "padding",
                           format::all_zero(padding) ? "zero" : "NOT zero", false});
      }
      return;
    }
    if (begin < bytes_.size()) {
      fields_.push_back({begin, bytes_.size() - begin, "not understood", "", !reveals_});
    }
  }

  const std::span<const std::byte> bytes_;
  const bool reveals_;
  format::Reader reader_;
  std::vector<Field> fields_;
  format::RecordType type_{};
  std::uint64_t flags_ = 0;
  std::uint64_t meta_bytes_ = 0;
  std::uint64_t payload_bytes_ = 0;
};

}  // namespace

std::vector<Field> annotate_record(std::span<const std::byte> bytes, bool reveals) {
  return Annotator(bytes, reveals).run();
}

}  // namespace kachel::inspect
