// Kachel's own commands: values with their metadata.
#include <array>
#include <fmt/format.h>
#include <limits>
#include <string>
#include <utility>

#include "server/arguments.h"
#include "server/command.h"
#include "server/resp_parser.h"
#include "server/session.h"

namespace kachel::server {
namespace {

using namespace command_flag;

constexpr std::array<std::pair<std::string_view, Kind>, 3> kKinds{{
    {"blob", Kind::kBlob},
    {"completion", Kind::kCompletion},
    {"embedding", Kind::kEmbedding},
}};

std::string_view kind_name(Kind kind) {
  for (const auto& [name, value] : kKinds) {
    if (value == kind) return name;
  }
  return "blob";
}

std::string_view tier_name(Tier tier) {
  switch (tier) {
    case Tier::kHot:
      return "hot";
    case Tier::kWriteBuffer:
      return "write_buffer";
    case Tier::kFlash:
      return "flash";
  }
  return "flash";
}

struct KachelSet {
  PutOptions options;
  ExpiryOption expiry;
  std::string error;  // the first one found
};

/// Reads the options behind the value, one at a time.
class OptionReader {
 public:
  OptionReader(Arguments arguments, KachelSet& set) : arguments_(arguments), set_(set) {}

  bool read() {
    for (at_ = 3; at_ < arguments_.size(); ++at_) {
      if (!read_one()) {
        if (set_.error.empty()) set_.error = kSyntaxError;
        return false;
      }
    }
    return true;
  }

 private:
  bool is(std::string_view name, std::size_t values) const {
    return equals_ignoring_case(arguments_[at_], name) && at_ + values < arguments_.size();
  }

  bool read_one() {
    if (is("NX", 0)) return condition(Condition::kIfAbsent);
    if (is("XX", 0)) return condition(Condition::kIfPresent);
    if (is("KIND", 1)) return kind(arguments_[++at_]);
    if (is("MODEL", 1)) return model(arguments_[++at_]);
    if (is("SUBJECT", 1)) return subject(arguments_[++at_]);
    if (is("ERASEBY", 1)) return erase_by(arguments_[++at_]);
    if (is("TOKENS", 2)) {
      Metadata& metadata = set_.options.metadata;
      return amount(metadata.tokens_in) && amount(metadata.tokens_out);
    }
    if (is("COST", 1)) return amount(set_.options.metadata.cost_micro_usd);
    if (is("LEASE", 1)) return fail("ERR LEASE is not supported by this version");
    return take_expiry(arguments_, at_, TimeForm::kKeep, set_.expiry) == OptionMatch::kTaken;
  }

  bool fail(std::string error) {
    set_.error = std::move(error);
    return false;
  }

  bool condition(Condition condition) {
    Condition& current = set_.options.condition;
    if (current != Condition::kAlways && current != condition) return false;
    current = condition;
    return true;
  }

  bool kind(std::string_view text) {
    for (const auto& [name, value] : kKinds) {
      if (!equals_ignoring_case(text, name)) continue;
      set_.options.metadata.kind = value;
      return true;
    }
    return fail("ERR unknown KIND: use completion, embedding or blob");
  }

  bool model(std::string_view text) {
    if (text.size() > kMaxModelBytes) {
      return fail(fmt::format("ERR MODEL is longer than {} bytes", kMaxModelBytes));
    }
    set_.options.metadata.model = text;
    return true;
  }

  bool subject(std::string_view text) {
    auto& subjects = set_.options.metadata.subjects;
    if (text.empty() || text.size() > kMaxSubjectBytes) {
      return fail(fmt::format("ERR SUBJECT must have 1 to {} bytes", kMaxSubjectBytes));
    }
    if (subjects.size() == kMaxSubjects) {
      return fail(fmt::format("ERR more than {} SUBJECTs", kMaxSubjects));
    }
    subjects.emplace_back(text);
    return true;
  }

  bool erase_by(std::string_view text) {
    const auto ms = parse_integer(text);
    if (!ms) return fail(std::string(kNotAnInteger));
    if (*ms <= 0) return fail("ERR ERASEBY must be a Unix time in milliseconds");
    set_.options.metadata.erase_by_ms = *ms;
    return true;
  }

  bool amount(std::uint64_t& out) {
    const auto number = parse_integer(arguments_[++at_]);
    if (!number || *number < 0) return fail(std::string(kNotAnInteger));
    out = static_cast<std::uint64_t>(*number);
    return true;
  }

  Arguments arguments_;
  KachelSet& set_;
  std::size_t at_ = 0;
};

void write_put(ReplyWriter reply, const Result<PutOutcome>& outcome) {
  if (!outcome) return reply.error(outcome.error());
  if (*outcome == PutOutcome::kConditionFailed) return reply.null();
  reply.ok();  // stored, or accepted and dropped under pressure
}

void kachel_set(Session& session, Arguments arguments) {
  KachelSet set;
  if (!OptionReader(arguments, set).read()) return session.reply().error(set.error);
  const auto expires_at_ms = resolve_expiry(session, set.expiry);
  if (!expires_at_ms) return;
  if (set.options.metadata.erase_by_ms != 0 &&
      set.options.metadata.erase_by_ms <= session.store().now_ms()) {
    return session.reply().error("ERR ERASEBY has passed");
  }
  set.options.expires_at_ms = *expires_at_ms;
  set.options.keep_ttl = set.expiry.form == TimeForm::kKeep;
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool settled =
      session.worker().put(session.space(), arguments[1], arguments[2], std::move(set.options),
                           [reply = std::move(reply)](Result<PutOutcome> outcome) mutable {
                             write_put(reply.writer(), outcome);
                             reply.finish();
                           });
  session.settled(slot, settled);
}

void write_metadata(ReplyWriter reply, const Found& found) {
  const Entry& entry = *found.entry;
  const auto number = [&](std::string_view name, std::uint64_t value) {
    reply.bulk(name);
    reply.integer_unsigned(value);
  };
  reply.map(13);
  reply.bulk("kind");
  reply.bulk(kind_name(entry.metadata.kind));
  reply.bulk("model");
  reply.bulk(entry.metadata.model);
  reply.bulk("subjects");
  reply.array(entry.metadata.subjects.size());
  for (const std::string& subject : entry.metadata.subjects)
    reply.bulk(subject);
  number("created_ms", static_cast<std::uint64_t>(entry.created_ms));
  number("expires_at_ms", static_cast<std::uint64_t>(found.expires_at_ms));
  number("erase_by_ms", static_cast<std::uint64_t>(entry.metadata.erase_by_ms));
  number("tokens_in", entry.metadata.tokens_in);
  number("tokens_out", entry.metadata.tokens_out);
  number("cost_micro_usd", entry.metadata.cost_micro_usd);
  number("raw_bytes", entry.value().size());
  number("stored_bytes", entry.stored_bytes);
  number("version", entry.version);
  reply.bulk("tier");
  reply.bulk(tier_name(found.tier));
}

void kachel_meta(Session& session, Arguments arguments) {
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool settled =
      session.worker().get(session.space(), arguments[1],
                           [reply = std::move(reply)](Result<std::optional<Found>> found) mutable {
                             if (!found) {
                               reply.writer().error(found.error());
                             } else if (!*found) {
                               reply.writer().null();
                             } else {
                               write_metadata(reply.writer(), **found);
                             }
                             reply.finish();
                           });
  session.settled(slot, settled);
}

constexpr CommandSpec kCommands[] = {
    {"kachel.set",
     -3,
     kWrite | kDenyOom,
     {1, 1, 1},
     kachel_set,
     "kachel",
     "Sets the value of a key together with its metadata."},
    {"kachel.meta",
     2,
     kReadOnly | kFast,
     {1, 1, 1},
     kachel_meta,
     "kachel",
     "Returns the metadata of a key."},
};

}  // namespace

std::span<const CommandSpec> kachel_commands() {
  return kCommands;
}

}  // namespace kachel::server
