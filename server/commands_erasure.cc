// Erases that leave a receipt, and their receipts.
#include <algorithm>
#include <fmt/format.h>
#include <string>
#include <utility>

#include "server/arguments.h"
#include "server/command.h"
#include "server/hash_walk.h"
#include "server/resp_parser.h"
#include "server/session.h"

namespace kachel::server {
namespace {

using namespace command_flag;

constexpr std::string_view kEraseForms =
    "ERR syntax error: write KACHEL.ERASE KEY key [key ...], SUBJECT id, MODEL name or TENANT, "
    "then any of DRYRUN, REASON text and REQUEST uuid";
constexpr std::string_view kRequestForm =
    "ERR REQUEST takes a UUID, such as 6ba7b810-9dad-41d1-80b4-00c04fd430c8";
constexpr std::string_view kReceiptForm =
    "ERR a receipt's id is the UUID that KACHEL.ERASE answered";

/// KACHEL.ERASE's arguments.
class EraseReader {
 public:
  explicit EraseReader(Arguments arguments) : arguments_(arguments) {}

  /// False: see error().
  bool read(EraseRequest& request);
  bool is_dry_run() const { return dry_run_; }
  std::string_view error() const { return error_; }

 private:
  bool read_scope(EraseRequest& request);
  bool read_option(EraseRequest& request);
  bool is_option(std::string_view word) const {
    return equals_ignoring_case(word, "DRYRUN") || equals_ignoring_case(word, "REASON") ||
           equals_ignoring_case(word, "REQUEST");
  }

  Arguments arguments_;
  std::size_t at_ = 1;
  bool dry_run_ = false;
  std::string_view error_ = kEraseForms;
};

bool EraseReader::read(EraseRequest& request) {
  if (!read_scope(request)) return false;
  for (; at_ < arguments_.size(); ++at_) {
    if (!read_option(request)) return false;
  }
  return true;
}

/// Leaves at_ at the first option. The first name is one, whatever it is.
bool EraseReader::read_scope(EraseRequest& request) {
  const std::string_view word = arguments_[at_++];
  if (equals_ignoring_case(word, "TENANT")) {
    request.kind = EraseKind::kTenant;
    return true;
  }
  if (equals_ignoring_case(word, "KEY")) {
    request.kind = EraseKind::kKeys;
  } else if (equals_ignoring_case(word, "SUBJECT")) {
    request.kind = EraseKind::kSubject;
  } else if (equals_ignoring_case(word, "MODEL")) {
    request.kind = EraseKind::kModel;
  } else {
    return false;
  }
  if (at_ == arguments_.size()) return false;
  request.names.emplace_back(arguments_[at_++]);
  while (request.kind == EraseKind::kKeys && at_ < arguments_.size() && !is_option(arguments_[at_]))
    request.names.emplace_back(arguments_[at_++]);
  return true;
}

bool EraseReader::read_option(EraseRequest& request) {
  const std::string_view word = arguments_[at_];
  if (equals_ignoring_case(word, "DRYRUN")) {
    dry_run_ = true;
    return true;
  }
  if (!is_option(word) || ++at_ == arguments_.size()) return false;
  if (equals_ignoring_case(word, "REASON")) {
    request.reason = arguments_[at_];
    return true;
  }
  request.id = parse_receipt_id(arguments_[at_]);
  if (!request.id) error_ = kRequestForm;
  return request.id.has_value();
}

void write_count(ReplyWriter reply, const ScopeCount& count) {
  reply.map(4);
  for (const auto& [name, value] :
       {std::pair{"entries", count.entries}, std::pair{"copies", count.copies},
        std::pair{"bytes", count.bytes}, std::pair{"segments", count.segments}}) {
    reply.bulk(name);
    reply.integer(static_cast<std::int64_t>(value));
  }
}

void count_erase(const EraseRequest& request, PendingReply reply) {
  Worker& worker = reply.session().worker();
  worker.count_erase(request, [reply = std::move(reply)](Result<ScopeCount> found) mutable {
    if (found) {
      write_count(reply.writer(), *found);
    } else {
      reply.writer().error(found.error());
    }
    reply.finish();
  });
}

/// Whether it is settled: see engine/store.h.
bool erase(EraseRequest request, PendingReply reply) {
  Worker& worker = reply.session().worker();
  return worker.request_erase(std::move(request),
                              [reply = std::move(reply)](Result<ReceiptId> id) mutable {
                                if (id) {
                                  reply.writer().bulk(text_of(*id));
                                } else {
                                  reply.writer().error(id.error());
                                }
                                reply.finish();
                              });
}

using NamedHandler = UniqueFunction<void(EraseRequest, PendingReply)>;

/// Adds the fields of the hashes that are among the names: an erase of a key is one of all of it.
class NameFields final : public HashEach {
 public:
  NameFields(EraseRequest request, PendingReply reply, NamedHandler then)
      : HashEach(kWritesPage),
        request_(std::move(request)),
        reply_(std::move(reply)),
        then_(std::move(then)) {}

  void next() {
    if (at_ == request_.names.size() || is_enough()) {
      return then_(std::move(request_), std::move(reply_));
    }
    start(reply_.session().worker(), request_.space, request_.names[at_++]);
  }

 private:
  void on_field(const HashField&, const ZeroizingString& key) override {
    request_.fields.push_back(key);
    done();
  }
  // More than an erase takes: it will say so.
  bool is_enough() const override { return request_.fields.size() > kMaxKeysErased; }
  void on_end(const Result<void>& end) override {
    if (end) return next();
    reply_.writer().error(end.error());
    reply_.finish();
  }

  EraseRequest request_;
  PendingReply reply_;
  NamedHandler then_;
  std::size_t at_ = 0;
};

void kachel_erase(Session& session, Arguments arguments) {
  EraseRequest request;
  request.space = session.space();
  EraseReader reader(arguments);
  if (!reader.read(request)) return session.reply().error(reader.error());
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool is_dry_run = reader.is_dry_run();
  if (request.kind == EraseKind::kKeys && session.store().may_have_hashes(request.space)) {
    session.hold_for(slot);
    const boost::intrusive_ptr<NameFields> names(new NameFields(
        std::move(request), std::move(reply), [is_dry_run](EraseRequest named, PendingReply at) {
          if (is_dry_run) return count_erase(named, std::move(at));
          erase(std::move(named), std::move(at));
        }));
    return names->next();
  }
  if (is_dry_run) return count_erase(request, std::move(reply));
  session.settled(slot, erase(std::move(request), std::move(reply)));
}

void kachel_receipt(Session& session, Arguments arguments) {
  const auto id = parse_receipt_id(arguments[1]);
  if (!id) return session.reply().error(kReceiptForm);
  PendingReply reply = session.defer();
  session.worker().receipt(
      session.space().tenant, *id,
      [reply = std::move(reply)](Result<std::optional<std::string>> text) mutable {
        if (!text) {
          reply.writer().error(text.error());
        } else if (*text) {
          reply.writer().bulk(**text);
        } else {
          reply.writer().null();
        }
        reply.finish();
      });
}

constexpr CommandSpec kCommands[] = {
    {"kachel.erase",
     -2,
     kWrite | kAfterAll,
     {0, 0, 0},
     kachel_erase,
     "kachel",
     "Erases keys, or the entries of a subject, a model or a tenant, and answers the id of the "
     "receipt."},
    {"kachel.receipt",
     2,
     kReadOnly,
     {0, 0, 0},
     kachel_receipt,
     "kachel",
     "Returns the receipt of an erase: how far it has come, with proofs, as JSON."},
};

}  // namespace

std::span<const CommandSpec> erasure_commands() {
  return kCommands;
}

}  // namespace kachel::server
