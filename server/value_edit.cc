#include "server/value_edit.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "engine/field_key.h"
#include "server/policy_enforcement.h"
#include "server/resp_parser.h"

namespace kachel::server {
namespace {

class ValueEdit final : public ReadModifyWrite {
 public:
  ValueEdit(std::optional<ZeroizingString> hash, Edit edit, EditReply reply)
      : hash_(std::move(hash)), edit_(std::move(edit)), reply_(std::move(reply)) {}

 private:
  void decide(const std::optional<Found>& found) override {
    Edited edited = edit_(found ? std::optional(found->entry->value()) : std::nullopt);
    if (!edited.error.empty()) {
      return finish_with([&](ReplyWriter reply) { reply.error(edited.error); });
    }
    if (!edited.is_changed) return answer(edited);
    PutOptions options;
    if (found) options.metadata = found->entry->metadata;
    options.if_version = found ? found->entry->version : 0;
    if (lacks_subject(session(), options.metadata)) return drop(found, std::move(edited));
    enforce_on_kept_expiry(session(), options, found);
    if (!found && hash_) return put_new_field(std::move(options), std::move(edited));
    put(std::move(options), std::move(edited));
  }

  void put_new_field(PutOptions options, Edited edited) {
    const Namespace strings = session().space();
    worker().glimpse_hash(
        strings, *hash_,
        [keep = self(), this, options = std::move(options),
         edited = std::move(edited)](Result<std::optional<Glimpse>> seen) mutable {
          if (!seen) return finish_with_error(seen.error());
          if (*seen) {
            options.expires_at_ms = enforce_on_expiry(session(), (*seen)->expires_at_ms);
          }
          put(std::move(options), std::move(edited));
        });
  }

  void put(PutOptions options, Edited edited) {
    const ZeroizingString value = edited.value;
    worker().put(space(), key(), value, std::move(options),
                 [keep = self(), this, edited = std::move(edited)](Result<PutOutcome> outcome) {
                   if (!outcome) return finish_with_error(outcome.error());
                   if (*outcome == PutOutcome::kVersionChanged) return retry();
                   answer(edited);
                 });
  }

  /// The policy keeps it from being stored: what was there goes, nothing stale is read.
  void drop(const std::optional<Found>& found, Edited edited) {
    WorkerCounters::add(session().counters().sets_without_subject, 1);
    if (!found) return answer(edited);
    worker().erase(space(), key(), found->entry->version,
                   [keep = self(), this, edited = std::move(edited)](Result<EraseOutcome> outcome) {
                     if (!outcome) return finish_with_error(outcome.error());
                     if (*outcome != EraseOutcome::kErased) return retry();
                     answer(edited);
                   });
  }

  void answer(const Edited& edited) {
    finish_with([&](ReplyWriter reply) { reply_(reply, edited); });
  }

  std::optional<ZeroizingString> hash_;
  Edit edit_;
  EditReply reply_;
};

Edited failed(std::string_view error) {
  Edited edited;
  edited.error = error;
  return edited;
}

/// As Redis writes it: %.17Lf without trailing zeros.
ZeroizingString real_text(long double value) {
  std::array<char, 5 * 1024> text;
  const int written = std::snprintf(text.data(), text.size(), "%.17Lf", value);
  std::string_view shown(text.data(), static_cast<std::size_t>(written));
  if (shown.find('.') != std::string_view::npos) {
    shown.remove_suffix(shown.size() - 1 - shown.find_last_not_of('0'));
    if (shown.ends_with('.')) shown.remove_suffix(1);
  }
  return shown == "-0" ? ZeroizingString("0") : ZeroizingString(shown);
}

}  // namespace

void edit_string(Session& session, std::string_view key, Edit edit, EditReply reply) {
  const boost::intrusive_ptr<ValueEdit> operation(
      new ValueEdit(std::nullopt, std::move(edit), std::move(reply)));
  operation->start(session, key);
}

void edit_field(Session& session, std::string_view hash, std::string_view field, Edit edit,
                EditReply reply) {
  const boost::intrusive_ptr<ValueEdit> operation(
      new ValueEdit(ZeroizingString(hash), std::move(edit), std::move(reply)));
  operation->ReadModifyWrite::start(session, fields_of(session.space()), field_key(hash, field));
}

void reply_edited_integer(ReplyWriter reply, const Edited& edited) {
  reply.integer(parse_integer(edited.value).value_or(0));
}

Edited add_integer(std::optional<std::string_view> old, std::int64_t by,
                   std::string_view not_a_number) {
  const auto number = old ? parse_integer(*old) : std::optional<std::int64_t>(0);
  if (!number) return failed(not_a_number);
  std::int64_t sum = 0;
  if (__builtin_add_overflow(*number, by, &sum)) {
    return failed("ERR increment or decrement would overflow");
  }
  Edited edited;
  edited.value = std::to_string(sum);
  return edited;
}

std::optional<long double> parse_real(std::string_view text) {
  constexpr std::size_t kLongest = 256;
  // std::from_chars takes no plus sign, and strtold() takes spaces in front.
  if (text.empty() || text.size() > kLongest || std::isspace(static_cast<unsigned char>(text[0]))) {
    return std::nullopt;
  }
  const std::string ended(text);
  char* end = nullptr;
  const long double value = std::strtold(ended.c_str(), &end);
  if (end != ended.c_str() + ended.size() || std::isnan(value)) return std::nullopt;
  return value;
}

Edited add_real(std::optional<std::string_view> old, long double by,
                std::string_view not_a_number) {
  const auto number = old ? parse_real(*old) : std::optional<long double>(0);
  if (!number) return failed(not_a_number);
  const long double sum = *number + by;
  if (!std::isfinite(sum)) return failed("ERR increment would produce NaN or Infinity");
  Edited edited;
  edited.value = real_text(sum);
  return edited;
}

}  // namespace kachel::server
