// Entries: their bytes, with their metadata in headers, and leases of those that are missing.
#include <boost/json.hpp>
#include <fmt/format.h>

#include "io/units.h"
#include "server/accounting_worker.h"
#include "server/arguments.h"
#include "server/http/parameters.h"
#include "server/http/routes.h"
#include "server/policy_enforcement.h"
#include "server/set_metadata.h"

namespace kachel::server::http {
namespace {

constexpr std::size_t kKeyPart = 1;
constexpr std::int64_t kMostLeaseMs = std::chrono::milliseconds(kLongestLease).count();

std::string_view key_of(const Exchange& exchange) {
  return exchange.path[kKeyPart];
}

ZeroizingString decimal(std::uint64_t number) {
  return ZeroizingString(fmt::format("{}", number));
}

ZeroizingString entity_tag(std::uint64_t version) {
  return ZeroizingString(fmt::format("\"{}\"", version));
}

/// The version that an entity tag names.
std::optional<std::uint64_t> parse_entity_tag(std::string_view text) {
  std::uint64_t version = 0;
  if (text.size() < 3 || !text.starts_with('"') || !text.ends_with('"')) return std::nullopt;
  if (!set_amount(version, text.substr(1, text.size() - 2))) return std::nullopt;
  return version;
}

void add_metadata(Reply& reply, const Found& found) {
  const Entry& entry = *found.entry;
  const Metadata& metadata = entry.metadata;
  auto& headers = reply.headers;
  const auto number = [&](std::string_view name, auto value) {
    headers.emplace_back(name, decimal(static_cast<std::uint64_t>(value)));
  };
  headers.emplace_back("ETag", entity_tag(entry.version));
  headers.emplace_back("Kachel-Kind", ZeroizingString(kind_name(metadata.kind)));
  if (!metadata.model.empty()) headers.emplace_back("Kachel-Model", percent_encode(metadata.model));
  for (const ZeroizingString& subject : metadata.subjects)
    headers.emplace_back("Kachel-Subject", percent_encode(subject));
  number("Kachel-Created-Ms", entry.created_ms);
  number("Kachel-Expires-At-Ms", found.expires_at_ms);
  number("Kachel-Erase-By-Ms", metadata.erase_by_ms);
  number("Kachel-Tokens-In", metadata.tokens_in);
  number("Kachel-Tokens-Out", metadata.tokens_out);
  number("Kachel-Cost-Micro-Usd", metadata.cost_micro_usd);
  number("Kachel-Stored-Bytes", entry.stored_bytes);
  headers.emplace_back("Kachel-Tier", ZeroizingString(tier_name(found.tier)));
}

void refuse_missing(Exchange& exchange) {
  exchange.refuse({Status::not_found, "no-such-entry", "there is no entry of this key"});
}

void reply_entry(Exchange& exchange, const Found& found) {
  Reply reply;
  add_metadata(reply, found);
  const std::string_view known = exchange.head.if_none_match;
  if (known == "*" || known == std::string_view(entity_tag(found.entry->version))) {
    reply.status = Status::not_modified;
    reply.content_type = {};
  } else {
    reply.content_type = kBytes;
    reply.entry = found.entry;
  }
  exchange.reply(std::move(reply));
}

void reply_metadata(Exchange& exchange, const Found& found) {
  const Entry& entry = *found.entry;
  boost::json::object metadata{
      {"kind", kind_name(entry.metadata.kind)},
      {"model", entry.metadata.model},
      {"created_ms", entry.created_ms},
      {"expires_at_ms", found.expires_at_ms},
      {"erase_by_ms", entry.metadata.erase_by_ms},
      {"tokens_in", entry.metadata.tokens_in},
      {"tokens_out", entry.metadata.tokens_out},
      {"cost_micro_usd", entry.metadata.cost_micro_usd},
      {"raw_bytes", entry.value().size()},
      {"stored_bytes", entry.stored_bytes},
      {"version", entry.version},
      {"tier", tier_name(found.tier)},
      {"subject_count", entry.metadata.subjects.size()},
  };
  Reply reply;
  reply.body = std::string_view(boost::json::serialize(metadata));
  for (const ZeroizingString& subject : entry.metadata.subjects)
    reply.headers.emplace_back("Kachel-Subject", percent_encode(subject));
  exchange.reply(std::move(reply));
}

/// How the answer to a read is written when there is one.
using WriteFound = void (*)(Exchange& exchange, const Found& found);

GetHandler answer_with(Exchange& exchange, WriteFound write) {
  return [self = exchange.shared_from_this(), write](Result<std::optional<Found>> found) {
    if (!found) return self->refuse(found.error());
    if (!*found) return refuse_missing(*self);
    write(*self, **found);
  };
}

/// The request's conditions as the engine has them.
std::optional<Problem> read_conditions(const Head& head, PutOptions& options) {
  if (!head.if_none_match.empty() && head.if_none_match != "*") {
    return Problem{Status::bad_request, "invalid-request",
                   "If-None-Match of a PUT or DELETE is \"*\" or is left out"};
  }
  if (head.if_none_match == "*") options.condition = Condition::kIfAbsent;
  if (head.if_match.empty()) return std::nullopt;
  if (head.if_match == "*") {
    options.condition = Condition::kIfPresent;
    return std::nullopt;
  }
  options.if_version = parse_entity_tag(head.if_match);
  if (options.if_version) return std::nullopt;
  return Problem{Status::bad_request, "invalid-request",
                 "If-Match is \"*\" or the ETag of one GET"};
}

Result<void> take_ttl(PutOptions& options, std::string_view text, std::int64_t now_ms) {
  const auto ttl_ms = parse_duration_ms(text);
  if (!ttl_ms) return ttl_ms.error();
  if (*ttl_ms <= 0 || *ttl_ms > std::chrono::milliseconds(kMaxEraseWithin).count()) {
    return invalid("ttl is a time above 0, such as 90s, 24h or 30d");
  }
  options.expires_at_ms = now_ms + *ttl_ms;
  return {};
}

Result<void> take_amount(std::uint64_t& amount, std::string_view text) {
  if (set_amount(amount, text)) return {};
  return invalid("tokens_in, tokens_out and cost_micro_usd are whole numbers from 0");
}

Result<void> take_lease(PutOptions& options, std::string_view text) {
  options.lease = parse_lease_token(text);
  if (options.lease) return {};
  return invalid("lease is a token as POST .. /lease answers it: 16 hexadecimal digits");
}

/// Of a PUT's query.
Result<void> take_option(PutOptions& options, const Parameter& parameter, std::int64_t now_ms) {
  const auto& [name, value] = parameter;
  Metadata& metadata = options.metadata;
  if (name == "kind") return set_kind(metadata, value);
  if (name == "model") return set_model(metadata, value);
  if (name == "subject") return add_subject(metadata, value);
  if (name == "ttl") return take_ttl(options, value, now_ms);
  if (name == "erase_by") return set_erase_by(metadata, value, now_ms);
  if (name == "tokens_in") return take_amount(metadata.tokens_in, value);
  if (name == "tokens_out") return take_amount(metadata.tokens_out, value);
  if (name == "cost_micro_usd") return take_amount(metadata.cost_micro_usd, value);
  if (name == "lease") return take_lease(options, value);
  if (name == "database") return {};
  return invalid(
      "unknown parameter; a PUT has kind, model, subject, ttl, erase_by, tokens_in, tokens_out, "
      "cost_micro_usd, lease and database");
}

std::optional<Problem> read_put(Exchange& exchange, PutOptions& options) {
  Services& services = exchange.services();
  const std::int64_t now_ms = services.store.now_ms();
  for (const Parameter& parameter : exchange.query) {
    if (const auto taken = take_option(options, parameter, now_ms); !taken) {
      return problem_of(taken.error());
    }
  }
  if (auto problem = read_conditions(exchange.head, options)) return problem;
  const TenantPolicy& policy = services.policies.current().of(exchange.principal->name);
  if (policy.require_subject && options.metadata.subjects.empty()) {
    WorkerCounters::add(services.counters.kachel_sets_refused, 1);
    return Problem{Status::unprocessable_entity, "subject-required",
                   "the tenant's policy requires a subject: add subject=ID for each person the "
                   "value is about"};
  }
  enforce_on_put(policy, now_ms, services.counters, options);
  return std::nullopt;
}

void reply_put(Exchange& exchange, PutOutcome outcome) {
  Reply reply;
  switch (outcome) {
    case PutOutcome::kStored:
      reply.status = Status::no_content;
      reply.content_type = {};
      return exchange.reply(std::move(reply));
    case PutOutcome::kNotStored:
      reply.status = Status::accepted;
      reply.body = R"({"stored":false})";
      return exchange.reply(std::move(reply));
    case PutOutcome::kConditionFailed:
    case PutOutcome::kVersionChanged:
      return exchange.refuse({Status::precondition_failed, "precondition-failed",
                              "the entry is not as If-Match or If-None-Match would have it"});
    case PutOutcome::kLeaseRefused:
      return exchange.refuse({Status::conflict, "lease-refused",
                              "the lease is over, or what the value is about has been erased "
                              "since; ask for a new one"});
  }
}

void put_now(Exchange& exchange, Namespace space, PutOptions options) {
  exchange.services().worker.put(space, key_of(exchange), exchange.body, std::move(options),
                                 [self = exchange.shared_from_this()](Result<PutOutcome> outcome) {
                                   if (!outcome) return self->refuse(outcome.error());
                                   reply_put(*self, *outcome);
                                 });
}

void reply_lease(Exchange& exchange, const LeaseAnswer& answer, std::int64_t ms) {
  if (answer.found) return reply_entry(exchange, *answer.found);
  if (answer.token == 0) {
    Reply reply =
        problem_reply({Status::conflict, "lease-taken",
                       "another caller computes the value and is not done yet; ask again"},
                      exchange.request_id);
    reply.headers.emplace_back("Retry-After", ZeroizingString("1"));
    return exchange.reply(std::move(reply));
  }
  Reply reply;
  reply.status = Status::created;
  reply.body = std::string_view(boost::json::serialize(
      boost::json::object{{"token", lease_token_text(answer.token)}, {"ms", ms}}));
  exchange.reply(std::move(reply));
}

}  // namespace

void get_entry(Exchange& exchange) {
  const auto space = space_of(exchange);
  if (!space) return;
  Worker& worker = exchange.services().worker;
  if (const auto hot = worker.get_hot(*space, key_of(exchange))) {
    return reply_entry(exchange, *hot);
  }
  worker.get(*space, key_of(exchange), answer_with(exchange, reply_entry));
}

void get_metadata(Exchange& exchange) {
  const auto space = space_of(exchange);
  if (!space) return;
  Worker& worker = exchange.services().worker;
  const AccountingWorker::Inspection inspection(worker);
  worker.get(*space, key_of(exchange), answer_with(exchange, reply_metadata));
}

void put_entry(Exchange& exchange) {
  const auto space = space_of(exchange, Others::kAllowed);
  if (!space) return;
  PutOptions options;
  if (const auto problem = read_put(exchange, options)) return exchange.refuse(*problem);
  Worker& worker = exchange.services().worker;
  if (!worker.throttled()) return put_now(exchange, *space, std::move(options));
  worker.when_unthrottled(
      [self = exchange.shared_from_this(), space = *space, options = std::move(options)]() mutable {
        put_now(*self, space, std::move(options));
      });
}

void delete_entry(Exchange& exchange) {
  const auto space = space_of(exchange);
  if (!space) return;
  PutOptions conditions;
  if (const auto problem = read_conditions(exchange.head, conditions)) {
    return exchange.refuse(*problem);
  }
  exchange.services().worker.erase(
      *space, key_of(exchange), conditions.if_version,
      [self = exchange.shared_from_this()](Result<EraseOutcome> outcome) {
        if (!outcome) return self->refuse(outcome.error());
        if (*outcome == EraseOutcome::kAbsent) return refuse_missing(*self);
        reply_put(*self, *outcome == EraseOutcome::kErased ? PutOutcome::kStored
                                                           : PutOutcome::kVersionChanged);
      });
}

void lease_entry(Exchange& exchange) {
  const auto space = space_of(exchange, Others::kAllowed);
  if (!space) return;
  std::uint64_t ms = 0;
  const auto* const given = find_parameter(exchange, "ms");
  const bool is_number = given != nullptr && set_amount(ms, *given);
  if (!is_number || ms < 1 || ms > static_cast<std::uint64_t>(kMostLeaseMs)) {
    return exchange.refuse({Status::bad_request, "invalid-request",
                            fmt::format("ms is a whole number from 1 to {}: how long to wait, and "
                                        "how long the lease is good",
                                        kMostLeaseMs)});
  }
  const auto duration = std::chrono::milliseconds(ms);
  exchange.services().worker.lease(
      *space, key_of(exchange), duration,
      [self = exchange.shared_from_this(), space = *space, duration](Result<LeaseAnswer> answer) {
        if (!answer) return self->refuse(answer.error());
        if (answer->token != 0 && self->has_left()) {
          // Or the others would wait for nobody.
          self->services().worker.give_up_lease(space, key_of(*self),
                                                std::exchange(answer->token, 0));
        }
        reply_lease(*self, *answer, duration.count());
      });
}

}  // namespace kachel::server::http
