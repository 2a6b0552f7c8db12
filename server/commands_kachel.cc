// Kachel's own commands: values with their metadata.
#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <string>
#include <utility>

#include "server/arguments.h"
#include "server/command.h"
#include "server/policy_enforcement.h"
#include "server/resp_parser.h"
#include "server/session.h"
#include "server/set_command.h"

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

constexpr std::string_view kSetForms =
    "NX or XX, one of EX s, PX ms, EXAT s, PXAT ms and KEEPTTL, KIND, MODEL, SUBJECT, ERASEBY, "
    "TOKENS and COST";

/// Reads the options behind the value, one at a time.
class OptionReader {
 public:
  OptionReader(Arguments arguments, std::int64_t now_ms) : arguments_(arguments), now_ms_(now_ms) {}

  /// False: see error().
  bool read() {
    for (at_ = 3; at_ < arguments_.size(); ++at_) {
      if (!read_one()) return false;
    }
    return true;
  }
  SetRequest& request() { return request_; }
  const std::string& error() const { return error_; }

 private:
  struct Option {
    std::string_view name;
    std::size_t values;
    std::string_view form;
    bool (OptionReader::*take)();
  };

  bool read_one() {
    static constexpr std::array<Option, 7> kOptions{{
        {"KIND", 1, "KIND completion|embedding|blob", &OptionReader::kind},
        {"MODEL", 1, "MODEL name", &OptionReader::model},
        {"SUBJECT", 1, "SUBJECT id", &OptionReader::subject},
        {"ERASEBY", 1, "ERASEBY unix-ms", &OptionReader::erase_by},
        {"TOKENS", 2, "TOKENS in out", &OptionReader::tokens},
        {"COST", 1, "COST micro-usd", &OptionReader::cost},
        {"LEASE", 0, "LEASE token", &OptionReader::lease},
    }};
    for (const Option& option : kOptions) {
      if (!equals_ignoring_case(arguments_[at_], option.name)) continue;
      if (at_ + option.values >= arguments_.size()) {
        return fail(fmt::format("{}: write {}", kSyntaxError, option.form));
      }
      return (this->*option.take)();
    }
    if (take_set_option(arguments_, at_, request_) == OptionMatch::kTaken) return true;
    return fail(fmt::format("{}: the options are {}", kSyntaxError, kSetForms));
  }

  std::string_view next() { return arguments_[++at_]; }
  Metadata& metadata() { return request_.options.metadata; }

  bool fail(std::string error) {
    error_ = std::move(error);
    return false;
  }

  bool kind() {
    const std::string_view text = next();
    for (const auto& [name, value] : kKinds) {
      if (!equals_ignoring_case(text, name)) continue;
      metadata().kind = value;
      return true;
    }
    return fail("ERR unknown KIND: use completion, embedding or blob");
  }

  bool model() {
    const std::string_view text = next();
    if (text.size() > kMaxModelBytes) {
      return fail(
          fmt::format("ERR MODEL is {} bytes long: use at most {}", text.size(), kMaxModelBytes));
    }
    metadata().model = text;
    return true;
  }

  bool subject() {
    const std::string_view text = next();
    auto& subjects = metadata().subjects;
    if (text.empty() || text.size() > kMaxSubjectBytes) {
      return fail(
          fmt::format("ERR SUBJECT is {} bytes long: use 1 to {}", text.size(), kMaxSubjectBytes));
    }
    if (std::find(subjects.begin(), subjects.end(), text) != subjects.end()) return true;
    if (subjects.size() == kMaxSubjects) {
      return fail(fmt::format("ERR too many SUBJECTs: name at most {}", kMaxSubjects));
    }
    subjects.emplace_back(text);
    return true;
  }

  bool erase_by() {
    const auto ms = parse_integer(next());
    if (!ms || *ms <= 0) return fail("ERR ERASEBY must be a Unix time in milliseconds");
    if (*ms <= now_ms_) {
      return fail("ERR ERASEBY has passed: give a Unix time in milliseconds that lies ahead");
    }
    metadata().erase_by_ms = *ms;
    return true;
  }

  bool tokens() {
    if (amount(metadata().tokens_in) && amount(metadata().tokens_out)) return true;
    return fail("ERR TOKENS must be two whole numbers from 0: tokens in, tokens out");
  }

  bool cost() {
    if (amount(metadata().cost_micro_usd)) return true;
    return fail("ERR COST must be a whole number from 0: millionths of a US dollar");
  }

  bool lease() { return fail("ERR LEASE is not supported by this version: leave it out"); }

  bool amount(std::uint64_t& out) {
    const auto number = parse_integer(next());
    if (!number || *number < 0) return false;
    out = static_cast<std::uint64_t>(*number);
    return true;
  }

  Arguments arguments_;
  std::int64_t now_ms_;
  SetRequest request_;
  std::string error_;
  std::size_t at_ = 0;
};

void kachel_set(Session& session, Arguments arguments) {
  OptionReader options(arguments, session.store().now_ms());
  if (!options.read()) return session.reply().error(options.error());
  if (lacks_subject(session, options.request().options.metadata)) {
    WorkerCounters::add(session.counters().kachel_sets_refused, 1);
    return session.reply().error(
        "ERR a SUBJECT is required by this tenant's policy: add SUBJECT id for each person the "
        "value is about");
  }
  run_set(session, arguments[1], arguments[2], std::move(options.request()));
}

void write_number(ReplyWriter reply, std::string_view name, std::int64_t value) {
  reply.bulk(name);
  reply.integer(value);
}
void write_number(ReplyWriter reply, std::string_view name, std::uint64_t value) {
  reply.bulk(name);
  reply.integer_unsigned(value);
}

void write_metadata(ReplyWriter reply, const Found& found) {
  const Entry& entry = *found.entry;
  const auto number = [&](std::string_view name, std::uint64_t value) {
    write_number(reply, name, value);
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

constexpr std::string_view kEraseForms =
    "ERR syntax error: write KACHEL.ERASE SUBJECT id [DRYRUN] or KACHEL.ERASE MODEL name [DRYRUN]";

void count_scope(Session& session, ScopeKind kind, std::string_view text) {
  PendingReply reply = session.defer();
  session.worker().count_scope(session.space().tenant, kind, text,
                               [reply = std::move(reply)](Result<ScopeCount> found) mutable {
                                 if (found) {
                                   reply.writer().map(4);
                                   write_number(reply.writer(), "entries", found->entries);
                                   write_number(reply.writer(), "copies", found->copies);
                                   write_number(reply.writer(), "bytes", found->bytes);
                                   write_number(reply.writer(), "segments", found->segments);
                                 } else {
                                   reply.writer().error(found.error());
                                 }
                                 reply.finish();
                               });
}

void kachel_erase(Session& session, Arguments arguments) {
  const bool subject = equals_ignoring_case(arguments[1], "SUBJECT");
  const bool dry_run = arguments.size() == 4 && equals_ignoring_case(arguments[3], "DRYRUN");
  if ((!subject && !equals_ignoring_case(arguments[1], "MODEL")) || arguments.size() > 4 ||
      (arguments.size() == 4 && !dry_run)) {
    return session.reply().error(kEraseForms);
  }
  const std::string_view text = arguments[2];
  const std::size_t limit = subject ? kMaxSubjectBytes : kMaxModelBytes;
  if (text.empty() || text.size() > limit) {
    return session.reply().error(
        fmt::format("ERR the name is {} bytes long: use 1 to {}", text.size(), limit));
  }
  const ScopeKind kind = subject ? ScopeKind::kSubject : ScopeKind::kModel;
  if (dry_run) return count_scope(session, kind, text);
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool settled =
      session.worker().erase_scope(session.space().tenant, kind, text,
                                   [reply = std::move(reply)](Result<std::uint64_t> fence) mutable {
                                     if (fence) {
                                       reply.writer().bulk(std::to_string(*fence));
                                     } else {
                                       reply.writer().error(fence.error());
                                     }
                                     reply.finish();
                                   });
  session.settled(slot, settled);
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

void kachel_receipt(Session& session, Arguments arguments) {
  const auto id = parse_integer(arguments[1]);
  if (!id || *id <= 0) {
    return session.reply().error("ERR a receipt's id is the number that KACHEL.ERASE answered");
  }
  const auto erasure = session.store().erasure(static_cast<std::uint64_t>(*id));
  ReplyWriter reply = session.reply();
  if (!erasure) return reply.null();
  reply.map(11);
  reply.bulk("id");
  reply.bulk(std::to_string(erasure->fence));
  reply.bulk("state");
  reply.bulk(state_name(erasure->state));
  write_number(reply, "fenced_ms", erasure->fenced_ms);
  write_number(reply, "swept_ms", erasure->swept_ms);
  write_number(reply, "reclaimed_ms", erasure->reclaimed_ms);
  write_number(reply, "deadline_ms", erasure->deadline_ms);
  write_number(reply, "entries", erasure->entries);
  write_number(reply, "copies", erasure->copies);
  write_number(reply, "bytes", erasure->bytes);
  write_number(reply, "segments", erasure->segments);
  write_number(reply, "segments_left", erasure->segments_left);
}

constexpr CommandSpec kCommands[] = {
    {"kachel.erase",
     -3,
     kWrite | kAfterAll,
     {0, 0, 0},
     kachel_erase,
     "kachel",
     "Erases the entries of a subject or a model, and answers the id of the receipt."},
    {"kachel.receipt",
     2,
     kReadOnly | kFast,
     {0, 0, 0},
     kachel_receipt,
     "kachel",
     "Returns how far an erase of a subject or a model has come."},
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
