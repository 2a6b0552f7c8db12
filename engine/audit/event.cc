#include "engine/audit/event.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "engine/audit/text.h"

namespace kachel::audit {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kEventVersion = 1;
/// A leaf is at most 64 KiB long; what has more segments than fit says how many.
constexpr std::size_t kMaxRangesBytes = 48 * 1024;
constexpr std::uint64_t kMostSegments = 1'000'000;

Error malformed(const std::string& what) {
  return {ErrorCode::kCorrupt, "an entry of the audit log " + what};
}

json::object begin_leaf(std::string_view type, std::int64_t time_ms) {
  json::object leaf;
  leaf["type"] = type;
  leaf["version"] = kEventVersion;
  leaf["time_ms"] = time_ms;
  return leaf;
}

/// Of the others they are counted by the sweep.
bool has_entries(std::string_view scope) {
  return scope == kKeysScope || scope == kTenantScope;
}

/// Reads the members of an object, and remembers when one was not what it should be.
class Reader {
 public:
  explicit Reader(const json::object& object) : object_(object) {}

  template <typename Number>
  Number number(std::string_view name) {
    const json::value* found = object_.if_contains(name);
    if (found == nullptr || !found->is_number()) return fail<Number>(name);
    json::error_code error;
    const auto value = found->to_number<Number>(error);
    return error ? fail<Number>(name) : value;
  }
  std::string text(std::string_view name) {
    const json::value* found = object_.if_contains(name);
    if (found == nullptr || !found->is_string()) return fail<std::string>(name);
    return std::string(found->get_string());
  }
  std::vector<std::string> texts(std::string_view name) {
    const json::value* found = object_.if_contains(name);
    if (found == nullptr || !found->is_array()) return fail<std::vector<std::string>>(name);
    std::vector<std::string> all;
    for (const json::value& value : found->get_array()) {
      if (!value.is_string()) return fail<std::vector<std::string>>(name);
      all.emplace_back(value.get_string());
    }
    return all;
  }
  Reader object(std::string_view name) {
    static const json::object none;
    const json::value* found = object_.if_contains(name);
    if (found == nullptr || !found->is_object()) {
      fail<int>(name);
      return Reader(none);
    }
    return Reader(found->get_object());
  }
  bool has(std::string_view name) const { return object_.contains(name); }
  const std::string& missing() const { return missing_; }

 private:
  template <typename T>
  T fail(std::string_view name) {
    if (missing_.empty()) missing_ = name;
    return {};
  }

  const json::object& object_;
  std::string missing_;
};

Result<Event> parse_erase(Reader reader) {
  EraseEvent event;
  event.id = reader.text("id");
  event.time_ms = reader.number<std::int64_t>("time_ms");
  event.tenant = reader.number<std::uint32_t>("tenant");
  event.scope = reader.text("scope");
  if (event.scope == kKeysScope) event.database = reader.number<std::uint32_t>("database");
  if (has_entries(event.scope)) event.entries = reader.number<std::uint64_t>("entries");
  event.targets = reader.texts("targets");
  if (reader.has("fields")) event.fields = reader.texts("fields");
  event.sequence = reader.number<std::uint64_t>("sequence");
  if (reader.has("reason")) event.reason = reader.text("reason");
  event.recovered = reader.has("recovered");
  if (!reader.missing().empty()) return malformed("of an erase has no " + reader.missing());
  return Event(std::move(event));
}

Result<Event> parse_reclaim(Reader reader) {
  ReclaimEvent event;
  event.id = reader.text("id");
  event.time_ms = reader.number<std::int64_t>("time_ms");
  event.fenced_ms = reader.number<std::int64_t>("fenced_ms");
  event.swept_ms = reader.number<std::int64_t>("swept_ms");
  event.deadline_ms = reader.number<std::int64_t>("deadline_ms");
  Reader index = reader.object("index");
  event.entries = index.number<std::uint64_t>("entries");
  Reader hot = reader.object("hot");
  event.hot_entries = hot.number<std::uint64_t>("entries");
  event.hot_bytes = hot.number<std::uint64_t>("bytes");
  Reader flash = reader.object("flash");
  event.copies = flash.number<std::uint64_t>("copies");
  event.copy_bytes = flash.number<std::uint64_t>("bytes");
  if (const auto segments = parse_ranges(flash.text("segments"))) {
    event.segments = *segments;
  } else {
    return malformed("names segments that are none");
  }
  for (const Reader* part : {&reader, &index, &hot, &flash})
    if (!part->missing().empty()) return malformed("of a reclaim has no " + part->missing());
  return Event(std::move(event));
}

Result<Event> parse_hold(Reader reader) {
  HoldEvent event;
  event.id = reader.text("id");
  event.time_ms = reader.number<std::int64_t>("time_ms");
  event.tenant = reader.number<std::uint32_t>("tenant");
  event.scope = reader.text("scope");
  if (reader.has("target")) event.target = reader.text("target");
  event.sequence = reader.number<std::uint64_t>("sequence");
  if (reader.has("reason")) event.reason = reader.text("reason");
  event.recovered = reader.has("recovered");
  if (!reader.missing().empty()) return malformed("of a hold has no " + reader.missing());
  return Event(std::move(event));
}

Result<Event> parse_release(Reader reader) {
  ReleaseEvent event;
  event.id = reader.text("id");
  event.time_ms = reader.number<std::int64_t>("time_ms");
  event.tenant = reader.number<std::uint32_t>("tenant");
  if (reader.has("reason")) event.reason = reader.text("reason");
  if (!reader.missing().empty()) return malformed("of a release has no " + reader.missing());
  return Event(std::move(event));
}

bool is_word_byte(char byte) {
  const auto value = static_cast<unsigned char>(byte);
  return value >= 0x80 || (value >= '0' && value <= '9') || (value >= 'a' && value <= 'z') ||
         (value >= 'A' && value <= 'Z');
}

/// Not as part of a longer word: a subject called "1" forbids no date.
bool has_word(std::string_view text, std::string_view word) {
  if (word.empty()) return false;
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string_view::npos; ++at) {
    const bool begins = at == 0 || !is_word_byte(text[at - 1]) || !is_word_byte(word.front());
    const std::size_t end = at + word.size();
    const bool ends = end == text.size() || !is_word_byte(text[end]) || !is_word_byte(word.back());
    if (begins && ends) return true;
  }
  return false;
}

Result<Event> parse_policy(const json::object& object) {
  Reader reader(object);
  PolicyEvent event;
  event.time_ms = reader.number<std::int64_t>("time_ms");
  const json::value* tenants = object.if_contains("tenants");
  if (!reader.missing().empty() || tenants == nullptr || !tenants->is_object()) {
    return malformed("of a policy has no time or no tenants");
  }
  for (const auto& [name, policy] : tenants->get_object()) {
    if (!policy.is_string()) return malformed("has a policy that is no text");
    event.tenants[std::string(name)] = policy.get_string();
  }
  return Event(std::move(event));
}

}  // namespace

std::string leaf_of(const EraseEvent& event) {
  json::object leaf = begin_leaf("erase", event.time_ms);
  leaf["id"] = event.id;
  leaf["tenant"] = event.tenant;
  leaf["scope"] = event.scope;
  if (event.scope == kKeysScope) leaf["database"] = event.database;
  if (has_entries(event.scope)) leaf["entries"] = event.entries;
  leaf["targets"] = json::array(event.targets.begin(), event.targets.end());
  if (!event.fields.empty()) leaf["fields"] = json::array(event.fields.begin(), event.fields.end());
  leaf["sequence"] = event.sequence;
  if (!event.reason.empty()) leaf["reason"] = event.reason;
  if (event.recovered) leaf["recovered"] = true;
  return json::serialize(leaf);
}

std::string leaf_of(const ReclaimEvent& event) {
  json::object leaf = begin_leaf("reclaimed", event.time_ms);
  leaf["id"] = event.id;
  leaf["fenced_ms"] = event.fenced_ms;
  leaf["swept_ms"] = event.swept_ms;
  leaf["deadline_ms"] = event.deadline_ms;
  leaf["index"] = {{"entries", event.entries}};
  leaf["hot"] = {{"entries", event.hot_entries}, {"bytes", event.hot_bytes}};
  std::string segments = ranges_text(event.segments);
  if (segments.size() > kMaxRangesBytes) segments.resize(segments.rfind(',', kMaxRangesBytes));
  leaf["flash"] = {{"copies", event.copies},
                   {"bytes", event.copy_bytes},
                   {"segment_count", event.segments.size()},
                   {"segments", segments}};
  return json::serialize(leaf);
}

std::string leaf_of(const HoldEvent& event) {
  json::object leaf = begin_leaf("hold", event.time_ms);
  leaf["id"] = event.id;
  leaf["tenant"] = event.tenant;
  leaf["scope"] = event.scope;
  if (!event.target.empty()) leaf["target"] = event.target;
  leaf["sequence"] = event.sequence;
  if (!event.reason.empty()) leaf["reason"] = event.reason;
  if (event.recovered) leaf["recovered"] = true;
  return json::serialize(leaf);
}

std::string leaf_of(const ReleaseEvent& event) {
  json::object leaf = begin_leaf("release", event.time_ms);
  leaf["id"] = event.id;
  leaf["tenant"] = event.tenant;
  if (!event.reason.empty()) leaf["reason"] = event.reason;
  return json::serialize(leaf);
}

std::string leaf_of(const PolicyEvent& event) {
  json::object leaf = begin_leaf("policy", event.time_ms);
  json::object tenants;
  for (const auto& [name, policy] : event.tenants)
    tenants[name] = policy;
  leaf["tenants"] = std::move(tenants);
  return json::serialize(leaf);
}

std::string leaf_of(const DumpEvent& event) {
  json::object leaf = begin_leaf("dump", event.time_ms);
  json::object filters;
  for (const auto& [name, value] : event.filters)
    filters[name] = value;
  leaf["filters"] = std::move(filters);
  leaf["reason"] = event.reason;
  return json::serialize(leaf);
}

std::string leaf_of(const CopyEvent& event) {
  json::object leaf = begin_leaf(event.what, event.time_ms);
  leaf["through"] = event.through;
  for (const auto& [name, value] : event.details)
    leaf[name] = value;
  return json::serialize(leaf);
}

Result<Event> parse_leaf(std::string_view leaf) {
  json::error_code error;
  const json::value value = json::parse(leaf, error);
  if (error || !value.is_object()) return malformed("is no JSON object");
  const json::object& object = value.get_object();
  Reader reader(object);
  const std::string type = reader.text("type");
  const auto version = reader.number<std::uint64_t>("version");
  if (!reader.missing().empty()) return malformed("has no " + reader.missing());
  if (version == kEventVersion && type == "erase") return parse_erase(Reader(object));
  if (version == kEventVersion && type == "reclaimed") return parse_reclaim(Reader(object));
  if (version == kEventVersion && type == "hold") return parse_hold(Reader(object));
  if (version == kEventVersion && type == "release") return parse_release(Reader(object));
  if (version == kEventVersion && type == "policy") return parse_policy(object);
  return Event(OtherEvent{type});
}

std::string ranges_text(const std::vector<std::uint64_t>& ascending) {
  std::string text;
  for (std::size_t begin = 0; begin < ascending.size();) {
    std::size_t end = begin + 1;
    while (end < ascending.size() && ascending[end] == ascending[end - 1] + 1)
      ++end;
    if (!text.empty()) text += ',';
    text += std::to_string(ascending[begin]);
    if (end - begin > 1) text += '-' + std::to_string(ascending[end - 1]);
    begin = end;
  }
  return text;
}

std::optional<std::vector<std::uint64_t>> parse_ranges(std::string_view text) {
  std::vector<std::uint64_t> all;
  while (!text.empty()) {
    const std::string_view range = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), range.size() + 1));
    const std::size_t dash = range.find('-');
    const auto first = parse_decimal(range.substr(0, dash));
    const auto last =
        dash == std::string_view::npos ? first : parse_decimal(range.substr(dash + 1));
    if (!first || !last || *last < *first || *last - *first >= kMostSegments ||
        all.size() >= kMostSegments || (!all.empty() && *first <= all.back())) {
      return std::nullopt;
    }
    for (std::uint64_t at = *first; at <= *last; ++at)
      all.push_back(at);
  }
  return all;
}

Result<void> check_reason(std::string_view reason, const std::vector<ZeroizingString>& names) {
  const auto refuse = [](std::string why) -> Result<void> {
    return Error{ErrorCode::kInvalidArgument, std::move(why)};
  };
  if (reason.size() > kMaxReasonBytes) {
    return refuse("a reason is at most " + std::to_string(kMaxReasonBytes) + " bytes long");
  }
  if (!is_note_text(reason) || reason.find('\n') != std::string_view::npos) {
    return refuse("a reason is one line of UTF-8 text");
  }
  for (const ZeroizingString& name : names) {
    if (!has_word(reason, name)) continue;
    return refuse(
        "the reason repeats what it is about, and the audit log would keep it for ever: use a case "
        "number instead");
  }
  return {};
}

}  // namespace kachel::audit
