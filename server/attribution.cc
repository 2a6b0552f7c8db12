#include "server/attribution.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "io/zeroizing.h"

namespace kachel::server {
namespace {

constexpr std::size_t kMaxDepth = 32;
// No shorter text has a usage in it.
constexpr std::size_t kMinAttributedBytes = 16;
// A value with more tokens is none that a model has made.
constexpr std::uint64_t kMaxTokens = 1'000'000'000;

enum class Word : std::uint8_t {
  kOther,
  kModel,
  kUsage,
  kTokensIn,
  kTokensOut,
  kResponse,  // LiteLLM's: the answer as a string
  kOpaque,    // what a user or a model said, as structured data
};

Word word_of(std::string_view key) {
  static constexpr std::array<std::pair<std::string_view, Word>, 18> kWords{{
      {"model", Word::kModel},
      {"model_name", Word::kModel},
      {"modelName", Word::kModel},
      {"usage", Word::kUsage},
      {"token_usage", Word::kUsage},
      {"tokenUsage", Word::kUsage},
      {"usage_metadata", Word::kUsage},
      {"prompt_tokens", Word::kTokensIn},
      {"input_tokens", Word::kTokensIn},
      {"promptTokens", Word::kTokensIn},
      {"completion_tokens", Word::kTokensOut},
      {"output_tokens", Word::kTokensOut},
      {"completionTokens", Word::kTokensOut},
      {"response", Word::kResponse},
      {"input", Word::kOpaque},
      {"arguments", Word::kOpaque},
      {"args", Word::kOpaque},
      {"tool_calls", Word::kOpaque},
  }};
  const auto* const found = std::find_if(kWords.begin(), kWords.end(),
                                         [&](const auto& word) { return word.first == key; });
  return found == kWords.end() ? Word::kOther : found->second;
}

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/// One character of an escape sequence; `at` is behind the backslash and is left behind it all.
/// '?' for what is neither a key's nor a structure's.
char unescape_one(std::string_view raw, std::size_t& at) {
  const char c = raw[at++];
  if (c == 'n' || c == 'r' || c == 't' || c == 'b' || c == 'f') return ' ';
  if (c != 'u' && c != 'x') return c;
  const std::size_t digits = std::min<std::size_t>(c == 'u' ? 4 : 2, raw.size() - at);
  unsigned code = 0;
  std::from_chars(raw.data() + at, raw.data() + at + digits, code, 16);
  at += digits;
  return code >= ' ' && code < 0x7f ? static_cast<char>(code) : '?';
}

ZeroizingString unescape(std::string_view raw) {
  ZeroizingString text;
  text.reserve(raw.size());
  for (std::size_t at = 0; at < raw.size();) {
    const std::size_t slash = std::min(raw.find('\\', at), raw.size());
    text.append(raw.substr(at, slash - at));
    at = slash + 1;
    if (at < raw.size()) text.push_back(unescape_one(raw, at));
  }
  return text;
}

class Scanner {
 public:
  /// `may_nest`: strings that hold an answer are looked into.
  Scanner(std::string_view text, bool may_nest) : text_(text), may_nest_(may_nest) {}

  std::optional<Attribution> scan() {
    while (at_ < text_.size() && step()) {
    }
    if (nested_) return std::move(nested_);
    if (!has_usage_) return std::nullopt;
    return std::move(found_);
  }

 private:
  struct Frame {
    bool is_object = false;
    bool is_usage = false;
    bool is_opaque = false;
  };

  /// False: the end, or not what it looked like.
  bool step() {
    const char c = text_[at_];
    if (c == '"' || c == '\'') return take_string(c);
    if (c == '-' || is_digit(c)) return take_number();
    if (is_letter(c)) return take_word();
    ++at_;
    if (c == '{' || c == '[') return open(c == '{');
    if (c == '}' || c == ']') return close();
    if (c == ',') {
      expects_key_ = depth_ > 0 && top().is_object;
      key_ = Word::kOther;
      return true;
    }
    if (c == ':') expects_key_ = false;
    return c == ':' || is_blank(c);
  }

  Frame& top() { return frames_[depth_ - 1]; }

  bool open(bool is_object) {
    if (depth_ == kMaxDepth) return false;
    const bool is_opaque = key_ == Word::kOpaque || (depth_ > 0 && top().is_opaque);
    frames_[depth_++] = {is_object, is_object && key_ == Word::kUsage && !has_usage_ && !is_opaque,
                         is_opaque};
    expects_key_ = is_object;
    key_ = Word::kOther;
    return true;
  }

  bool close() {
    if (depth_ == 0) return false;
    has_usage_ |= top().is_usage && counts_;
    --depth_;
    key_ = Word::kOther;
    expects_key_ = false;
    return depth_ > 0 && !(has_usage_ && !found_.model.empty());
  }

  bool take_string(char quote) {
    const std::size_t begin = ++at_;
    const std::size_t end = end_of_string(quote);
    if (end == std::string_view::npos) return false;
    at_ = end + 1;
    const std::string_view raw = text_.substr(begin, end - begin);
    if (expects_key_) {
      key_ = word_of(raw);
      return true;
    }
    if (key_ == Word::kModel) take_model(raw);
    const bool holds_answer = depth_ == 0 || (depth_ == 1 && key_ == Word::kResponse);
    if (may_nest_ && holds_answer) nested_ = Scanner(unescape(raw), false).scan();
    return depth_ > 0 && !nested_;
  }

  std::size_t end_of_string(char quote) const {
    std::size_t at = at_;
    while (true) {
      const std::size_t end = text_.find(quote, at);
      if (end == std::string_view::npos) return end;
      std::size_t slashes = 0;
      while (end - slashes > at_ && text_[end - slashes - 1] == '\\')
        ++slashes;
      if (slashes % 2 == 0) return end;
      at = end + 1;
    }
  }

  /// The outermost is the answer's own.
  void take_model(std::string_view raw) {
    if (depth_ >= model_depth_ || top().is_opaque) return;
    const bool is_plain = std::all_of(raw.begin(), raw.end(), [](char c) {
      return static_cast<unsigned char>(c) >= ' ' && c != '\\' && c != '\x7f';
    });
    if (raw.empty() || raw.size() > kMaxModelBytes || !is_plain) return;
    found_.model = raw;
    model_depth_ = depth_;
  }

  bool take_number() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && (is_digit(text_[at_]) || is_letter(text_[at_]) ||
                                  text_[at_] == '.' || text_[at_] == '-' || text_[at_] == '+'))
      ++at_;
    if (depth_ == 0) return false;
    if (top().is_usage) take_tokens(text_.substr(begin, at_ - begin));
    return true;
  }

  void take_tokens(std::string_view text) {
    if (key_ != Word::kTokensIn && key_ != Word::kTokensOut) return;
    std::uint64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    const bool is_whole = error == std::errc() && end == text.data() + text.size();
    if (!is_whole || count > kMaxTokens) return;
    counts_ = true;
    if (key_ == Word::kTokensIn) {
      found_.tokens_in = count;
    } else {
      found_.tokens_out = count;
      found_.is_completion = true;
    }
  }

  // true, null, None: of no interest.
  bool take_word() {
    while (at_ < text_.size() && is_letter(text_[at_]))
      ++at_;
    return depth_ > 0;
  }

  std::string_view text_;
  bool may_nest_;
  std::size_t at_ = 0;
  std::array<Frame, kMaxDepth> frames_{};
  std::size_t depth_ = 0;
  Word key_ = Word::kOther;
  bool expects_key_ = false;
  bool counts_ = false;     // the usage at hand has named tokens
  bool has_usage_ = false;  // and is over
  std::size_t model_depth_ = kMaxDepth + 1;
  Attribution found_;
  std::optional<Attribution> nested_;
};

/// Whether a scan could find anything.
bool is_worth_a_scan(std::string_view value) {
  if (value.size() < kMinAttributedBytes || value.size() > kMaxAttributedBytes) return false;
  const auto* const first = std::find_if_not(value.begin(), value.end(), is_blank);
  if (first == value.end() || (*first != '{' && *first != '[' && *first != '"')) return false;
  static constexpr std::string_view kTokens = "okens";
  return ::memmem(value.data(), value.size(), kTokens.data(), kTokens.size()) != nullptr;
}

}  // namespace

std::optional<Attribution> attribution_of(std::string_view value) {
  if (!is_worth_a_scan(value)) return std::nullopt;
  return Scanner(value, true).scan();
}

void attribute(std::string_view value, Metadata& metadata) {
  const bool says_tokens = metadata.tokens_in > 0 || metadata.tokens_out > 0;
  if ((!metadata.model.empty() && says_tokens) || metadata.kind == Kind::kEmbedding) return;
  auto found = attribution_of(value);
  if (!found) return;
  if (metadata.model.empty()) metadata.model = std::move(found->model);
  if (!says_tokens) {
    metadata.tokens_in = found->tokens_in;
    metadata.tokens_out = found->tokens_out;
  }
  if (metadata.kind == Kind::kBlob && found->is_completion) metadata.kind = Kind::kCompletion;
}

}  // namespace kachel::server
