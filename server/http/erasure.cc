// Erasing for good, its receipts, and holds.
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "server/http/parameters.h"
#include "server/http/routes.h"

namespace kachel::server::http {
namespace {

namespace json = boost::json;

constexpr std::size_t kIdPart = 1;

constexpr std::string_view kEraseForms =
    "name what to erase by one of \"keys\": [..], \"subject\": \"..\", \"model\": \"..\" and "
    "\"tenant\": true; \"reason\" and \"request\" are strings, \"dry_run\" is true or false";
constexpr std::string_view kHoldForms =
    "write {\"subject\": \"..\", \"reason\": \"..\"} or {\"tenant\": true, \"reason\": \"..\"}";

void refuse_forms(Exchange& exchange, std::string_view forms) {
  exchange.refuse({Status::bad_request, "invalid-request", std::string(forms)});
}

const json::value* find(const json::object& object, std::string_view name) {
  return object.if_contains(name);
}

/// Text, or nothing where the field is missing; false where it is something else.
bool take_text(const json::object& object, std::string_view name,
               std::optional<ZeroizingString>& text) {
  const json::value* const value = find(object, name);
  if (value == nullptr) return true;
  if (!value->is_string()) return false;
  text = std::string_view(value->get_string());
  return true;
}

bool is_true(const json::object& object, std::string_view name) {
  const json::value* const value = find(object, name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

bool is_flag(const json::object& object, std::string_view name) {
  const json::value* const value = find(object, name);
  return value == nullptr || value->is_bool();
}

bool take_keys(const json::object& object, EraseRequest& request) {
  const json::value* const keys = find(object, "keys");
  if (keys == nullptr) return true;
  if (!keys->is_array() || keys->get_array().empty()) return false;
  request.kind = EraseKind::kKeys;
  for (const json::value& key : keys->get_array()) {
    if (!key.is_string()) return false;
    request.names.emplace_back(std::string_view(key.get_string()));
  }
  return true;
}

bool take_scope(const json::object& object, EraseRequest& request) {
  std::optional<ZeroizingString> subject;
  std::optional<ZeroizingString> model;
  if (!take_text(object, "subject", subject) || !take_text(object, "model", model)) return false;
  const auto scopes = std::count_if(object.begin(), object.end(), [](const auto& member) {
    const std::string_view key = member.key();
    return key == "keys" || key == "subject" || key == "model" || key == "tenant";
  });
  if (scopes != 1) return false;
  if (is_true(object, "tenant")) {
    request.kind = EraseKind::kTenant;
    return true;
  }
  if (subject || model) {
    request.kind = subject ? EraseKind::kSubject : EraseKind::kModel;
    request.names.push_back(std::move(subject ? *subject : *model));
    return true;
  }
  return find(object, "keys") != nullptr && take_keys(object, request);
}

bool read_erase(const json::object& object, EraseRequest& request) {
  std::optional<ZeroizingString> reason;
  std::optional<ZeroizingString> id;
  if (!take_scope(object, request) || !take_text(object, "reason", reason) ||
      !take_text(object, "request", id) || !is_flag(object, "dry_run")) {
    return false;
  }
  if (reason) request.reason = std::string_view(*reason);
  if (id) request.id = parse_receipt_id(*id);
  return !id || request.id;
}

void reply_json(Exchange& exchange, const json::value& value, Status status = Status::ok) {
  Reply reply;
  reply.status = status;
  reply.body = std::string_view(json::serialize(value));
  exchange.reply(std::move(reply));
}

void count(Exchange& exchange, const EraseRequest& request) {
  exchange.services().worker.count_erase(
      request, [self = exchange.shared_from_this()](Result<ScopeCount> found) {
        if (!found) return self->refuse(found.error());
        reply_json(*self, json::object{{"entries", found->entries},
                                       {"copies", found->copies},
                                       {"bytes", found->bytes},
                                       {"segments", found->segments}});
      });
}

std::string_view state_name(ErasureState state) {
  switch (state) {
    case ErasureState::kFenced:
      return "fenced";
    case ErasureState::kSwept:
      return "swept";
    case ErasureState::kReclaimed:
      return "reclaimed";
  }
  return "fenced";
}

json::object describe(const Erasure& erasure) {
  return {
      {"receipt", text_of(erasure.id)},
      {"state", erasure.held_copies > 0 ? "blocked_by_hold" : state_name(erasure.state)},
      {"fenced_ms", erasure.fenced_ms},
      {"swept_ms", erasure.swept_ms},
      {"deadline_ms", erasure.deadline_ms},
      {"entries", erasure.entries},
      {"copies", erasure.copies},
      {"bytes", erasure.bytes},
      {"segments_left", erasure.segments_left},
      {"segments_in_snapshots", erasure.segments_in_snapshots},
      {"held_copies", erasure.held_copies},
      {"held_bytes", erasure.held_bytes},
  };
}

std::optional<ReceiptId> id_of(Exchange& exchange) {
  const auto id = parse_receipt_id(exchange.path[kIdPart]);
  if (!id) refuse_forms(exchange, "the id is a UUID, as the request that made it was answered");
  return id;
}

}  // namespace

void erase(Exchange& exchange) {
  static constexpr std::array<std::string_view, 7> kFields{"keys",    "subject", "model",  "tenant",
                                                           "dry_run", "reason",  "request"};
  const auto space = space_of(exchange);
  if (!space) return;
  const auto object = json_body(exchange, kFields);
  if (!object) return;
  EraseRequest request;
  request.space = *space;
  if (!read_erase(*object, request)) return refuse_forms(exchange, kEraseForms);
  if (is_true(*object, "dry_run")) return count(exchange, request);
  exchange.services().worker.request_erase(
      std::move(request), [self = exchange.shared_from_this()](Result<ReceiptId> id) {
        if (!id) return self->refuse(id.error());
        reply_json(*self, json::object{{"receipt", text_of(*id)}});
      });
}

void list_erasures(Exchange& exchange) {
  json::array pending;
  for (const Erasure& erasure : exchange.services().store.pending_erasures())
    if (erasure.tenant == exchange.tenant()) pending.push_back(describe(erasure));
  reply_json(exchange, json::object{{"pending", std::move(pending)}});
}

void get_receipt(Exchange& exchange) {
  const auto id = id_of(exchange);
  if (!id) return;
  exchange.services().worker.receipt(
      exchange.tenant(), *id,
      [self = exchange.shared_from_this()](Result<std::optional<std::string>> text) {
        if (!text) return self->refuse(text.error());
        if (!*text) {
          return self->refuse({Status::not_found, "no-such-receipt", "no erase has this receipt"});
        }
        Reply reply;
        reply.body = std::string_view(**text);
        self->reply(std::move(reply));
      });
}

void place_hold(Exchange& exchange) {
  static constexpr std::array<std::string_view, 3> kFields{"subject", "tenant", "reason"};
  const auto object = json_body(exchange, kFields);
  if (!object) return;
  HoldRequest request;
  request.tenant = exchange.tenant();
  std::optional<ZeroizingString> reason;
  const bool is_sound =
      take_text(*object, "subject", request.subject) && take_text(*object, "reason", reason);
  if (!is_sound || !reason || request.subject.has_value() == is_true(*object, "tenant")) {
    return refuse_forms(exchange, kHoldForms);
  }
  request.reason = std::string_view(*reason);
  exchange.services().worker.place_hold(
      std::move(request), [self = exchange.shared_from_this()](Result<HoldId> id) {
        if (!id) return self->refuse(id.error());
        reply_json(*self, json::object{{"hold", text_of(*id)}}, Status::created);
      });
}

void list_holds(Exchange& exchange) {
  exchange.services().worker.list_holds(
      exchange.tenant(), [self = exchange.shared_from_this()](Result<std::vector<HoldInfo>> holds) {
        if (!holds) return self->refuse(holds.error());
        json::array list;
        for (const HoldInfo& hold : *holds) {
          list.push_back({{"hold", text_of(hold.id)},
                          {"scope", hold.scope},
                          {"target", hold.target},
                          {"placed_ms", hold.placed_ms},
                          {"reason", hold.reason}});
        }
        reply_json(*self, json::object{{"holds", std::move(list)}});
      });
}

void release_hold(Exchange& exchange) {
  const auto id = id_of(exchange);
  if (!id) return;
  const ZeroizingString* const reason = find_parameter(exchange, "reason");
  exchange.services().worker.release_hold(exchange.tenant(), *id,
                                          reason == nullptr ? std::string() : std::string(*reason),
                                          [self = exchange.shared_from_this()](Result<void> done) {
                                            if (!done) return self->refuse(done.error());
                                            Reply reply;
                                            reply.status = Status::no_content;
                                            reply.content_type = {};
                                            self->reply(std::move(reply));
                                          });
}

}  // namespace kachel::server::http
