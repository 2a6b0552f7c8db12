// Session: MULTI's queue, EXEC, and what is known of a command's keys before it starts.
#include <fmt/format.h>
#include <utility>

#include "server/session.h"

namespace kachel::server {

using namespace command_flag;

Transaction& Session::transaction() {
  if (!transaction_) transaction_ = std::make_unique<Transaction>();
  return *transaction_;
}

void Session::key_types_known(std::vector<std::optional<Glimpse>> hashes, std::string refusal) {
  key_types_.take(std::move(hashes), std::move(refusal));
  turn_commands_ = turn_bytes_ = 0;
  run();
}

/// Whether the command is no longer to be run now.
bool Session::queue_in_transaction(const CommandSpec& spec, Arguments arguments) {
  if (!transaction_ || !transaction_->is_open() || is_executing()) return false;
  if ((spec.flags & kNotQueued) != 0) return false;
  if ((spec.flags & kNoMulti) != 0) {
    transaction_->spoil();
    reply().error("ERR Command not allowed inside a transaction");
  } else if (transaction_->queue(arguments)) {
    reply().simple("QUEUED");
  } else {
    transaction_->spoil();
    reply().error(fmt::format(
        "ERR the transaction has too many commands, or too long ones: EXEC takes {} of {} bytes "
        "in all",
        kMaxQueuedCommands, kMaxQueuedBytes));
  }
  return true;
}

void Session::execute_transaction(PendingReply reply) {
  const SessionPointer keep(this);
  reply.writer().array(transaction_->queued());
  const std::uint64_t id = reply.detach();
  if (std::exchange(slot(id).holds, false)) --holding_;
  transaction_->begin(services_.worker, id);
  run();
}

/// One command of EXEC's; false when it has to wait, or there is none left.
bool Session::step_transaction() {
  if (slots_.size() > 1) {
    if (!slots_.back().done) return false;
    gather_reply();
  }
  const QueuedCommand* const command = transaction_->current();
  if (command == nullptr || transaction_->has_failed()) {
    end_transaction();
    return true;
  }
  const std::vector<std::string_view> arguments = command->views();
  if (!start(look_up(arguments), arguments)) return false;
  transaction_->advance();
  return true;
}

/// The last command's, behind those before it.
void Session::gather_reply() {
  Slot& all = slot(transaction_->slot());
  count_finished(slots_.back());
  all.counted_bytes += slots_.back().counted_bytes;
  all.reply.splice(std::move(slots_.back().reply));
  slots_.pop_back();
  check_output();
}

void Session::end_transaction() {
  const std::uint64_t id = transaction_->slot();
  Slot& all = slot(id);
  if (transaction_->has_failed()) {
    all.reply.clear();
    ReplyWriter(all.reply, all.protocol).null_array();
  }
  const bool closes = transaction_->closes;
  transaction_->reset();
  finish(id);
  if (closes) closing_ = true;
}

}  // namespace kachel::server
