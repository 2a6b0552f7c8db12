// Kachel's own commands: values with their metadata.
#include <array>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <string>
#include <utility>

#include "server/accounting_worker.h"
#include "server/arguments.h"
#include "server/command.h"
#include "server/hash_walk.h"
#include "server/policy_enforcement.h"
#include "server/session.h"
#include "server/set_command.h"
#include "server/set_metadata.h"

namespace kachel::server {
namespace {

using namespace command_flag;

constexpr std::string_view kSetForms =
    "NX or XX, one of EX s, PX ms, EXAT s, PXAT ms and KEEPTTL, KIND, MODEL, SUBJECT, ERASEBY, "
    "TOKENS, COST and LEASE";

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
        {"LEASE", 1, "LEASE token", &OptionReader::lease},
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

  bool taken(const Result<void>& taken) {
    return taken ? true : fail("ERR " + taken.error().message);
  }

  bool kind() { return taken(set_kind(metadata(), next())); }
  bool model() { return taken(set_model(metadata(), next())); }
  bool subject() { return taken(add_subject(metadata(), next())); }
  bool erase_by() { return taken(set_erase_by(metadata(), next(), now_ms_)); }

  bool tokens() {
    if (amount(metadata().tokens_in) && amount(metadata().tokens_out)) return true;
    return fail("ERR TOKENS must be two whole numbers from 0: tokens in, tokens out");
  }

  bool cost() {
    if (amount(metadata().cost_micro_usd)) return true;
    return fail("ERR COST must be a whole number from 0: millionths of a US dollar");
  }

  bool lease() {
    request_.options.lease = parse_lease_token(next());
    if (request_.options.lease) return true;
    return fail("ERR LEASE must be a token of KACHEL.LEASE: 16 hexadecimal digits");
  }

  bool amount(std::uint64_t& out) { return set_amount(out, next()); }

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
  for (const ZeroizingString& subject : entry.metadata.subjects)
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

/// A hash has no metadata of its own: what its fields have in common, and together.
class DescribeHash final : public HashWalk {
 public:
  explicit DescribeHash(PendingReply reply)
      : HashWalk(Texts::kLeft, kRowsPage), reply_(std::move(reply)) {}

 private:
  void on_page(std::vector<HashField> fields) override {
    for (const HashField& field : fields) {
      ++fields_;
      raw_bytes_ += field.seen.raw_bytes;
      version_ = std::max(version_, field.seen.version);
      expires_at_ms_ = std::max(expires_at_ms_, field.seen.expires_at_ms);
    }
    next_page();
  }
  void on_end(const Result<void>& end) override {
    ReplyWriter reply = reply_.writer();
    if (end) {
      reply.map(5);
      reply.bulk("kind");
      reply.bulk("hash");
      write_number(reply, "fields", fields_);
      write_number(reply, "expires_at_ms", static_cast<std::uint64_t>(expires_at_ms_));
      write_number(reply, "raw_bytes", raw_bytes_);
      write_number(reply, "version", version_);
    } else {
      reply.error(end.error());
    }
    reply_.finish();
  }

  PendingReply reply_;
  std::uint64_t fields_ = 0;
  std::uint64_t raw_bytes_ = 0;
  std::uint64_t version_ = 0;
  std::int64_t expires_at_ms_ = 0;
};

void kachel_meta(Session& session, Arguments arguments) {
  if (session.hash_at(0)) {
    PendingReply reply = session.defer();
    session.hold_for(reply.slot());
    const boost::intrusive_ptr<DescribeHash> walk(new DescribeHash(std::move(reply)));
    return walk->start(session.worker(), session.space(), arguments[1]);
  }
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const AccountingWorker::Inspection inspection(session.worker());
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

void kachel_drain(Session& session, Arguments arguments) {
  if (arguments.size() == 1) {
    return session.reply().bulk(session.store().stats().draining ? "on" : "off");
  }
  const bool is_on = equals_ignoring_case(arguments[1], "ON");
  if (arguments.size() != 2 || (!is_on && !equals_ignoring_case(arguments[1], "OFF"))) {
    return session.reply().error("ERR syntax error: write KACHEL.DRAIN [ON|OFF]");
  }
  session.store().set_draining(is_on);
  spdlog::warn("{}",
               is_on ? "draining: reads are served, values are accepted and not stored, and this "
                       "node says that it is not ready"
                     : "draining is over: values are stored again");
  session.reply().simple("OK");
}

constexpr CommandSpec kCommands[] = {
    {"kachel.set",
     -3,
     kWrite | kDenyOom | kAnyKeys,
     {1, 1, 1},
     kachel_set,
     "kachel",
     "Sets the value of a key together with its metadata."},
    {"kachel.meta",
     2,
     kReadOnly | kFast | kAnyKeys,
     {1, 1, 1},
     kachel_meta,
     "kachel",
     "Returns the metadata of a key."},
    {"kachel.drain",
     -1,
     kAdmin,
     {0, 0, 0},
     kachel_drain,
     "kachel",
     "Has values accepted and not stored from now on, or stored again, or says which."},
};

}  // namespace

std::span<const CommandSpec> kachel_commands() {
  return kCommands;
}

}  // namespace kachel::server
