#include "server/operations.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <utility>

namespace kachel::server {

void FanOut::start(Session& session, Arguments arguments, std::size_t elements) {
  const boost::intrusive_ptr<FanOut> keep = self();
  reply_ = session.defer();
  const std::uint64_t slot = reply_.slot();
  space_ = session.space();
  arguments_ = arguments;
  elements_ = elements;
  pump();
  if (finished_) return;
  if (!all_issued()) own_arguments();
  if (!all_issued() || unsettled_) session.hold_for(slot);
}

void FanOut::own_arguments() {
  owned_.assign(arguments_.begin(), arguments_.end());
  owned_views_.assign(owned_.begin(), owned_.end());
  arguments_ = owned_views_;
}

void FanOut::issue_next() {
  ++in_flight_;
  const std::size_t before = completions_;
  if (issue(next_++) || completions_ != before) return;
  unsettled_ = true;
  stalled_ = order_ == Order::kInOrder;
}

void FanOut::pump() {
  if (pumping_) return;
  pumping_ = true;
  while (!all_issued() && !stalled_ && in_flight_ < kMaxInFlight)
    issue_next();
  pumping_ = false;
  if (!all_issued() || in_flight_ > 0 || finished_) return;
  finished_ = true;
  if (error_.empty()) {
    write(reply_.writer());
  } else {
    reply_.writer().error(error_);
  }
  reply_.finish();
}

void FanOut::completed() {
  const boost::intrusive_ptr<FanOut> keep = self();
  --in_flight_;
  ++completions_;
  if (in_flight_ == 0) stalled_ = false;
  pump();
}

void FanOut::fail(std::string error) {
  if (error_.empty()) error_ = std::move(error);
}

void write_found(ReplyWriter reply, const Result<std::optional<Found>>& found) {
  if (!found) return reply.error(found.error());
  if (!*found) return reply.null();
  reply.value((*found)->entry);
}

void GetMany::look_ahead(std::size_t element) {
  std::array<Worker::Foreseen, Worker::kMostForeseen> keys;
  std::array<ZeroizingString, Worker::kMostForeseen> rooms;
  const std::size_t count = std::min(keys.size(), found_.size() - element);
  for (std::size_t i = 0; i < count; ++i)
    keys[i] = {where(), key_of(element + i, rooms[i])};
  worker().foresee(std::span(keys).first(count));
}

bool GetMany::issue(std::size_t element) {
  if (element % Worker::kMostForeseen == 0 && found_.size() > 1) look_ahead(element);
  ZeroizingString room;
  const std::string_view key = key_of(element, room);
  if (auto hot = worker().get_hot(where(), key)) {
    take(element, std::move(hot->entry));
    completed();
    return true;
  }
  return worker().get(where(), key,
                      [keep = self(), this, element](Result<std::optional<Found>> found) {
                        if (!found) {
                          fail("ERR " + found.error().message);
                        } else if (*found) {
                          take(element, std::move((*found)->entry));
                        }
                        completed();
                      });
}

// The values are all held until the last is there: bounded like any output.
void GetMany::take(std::size_t element, Entry::Pointer entry) {
  const std::size_t limit = session().state().limits.output_hard_bytes;
  bytes_ += entry->value().size();
  if (bytes_ > limit) {
    return fail(fmt::format("ERR the reply would exceed {} bytes; ask for fewer keys", limit));
  }
  found_[element] = std::move(entry);
}

void GetMany::write(ReplyWriter reply) {
  reply.array(found_.size());
  for (const Entry::Pointer& entry : found_) {
    if (entry) {
      reply.value(entry);
    } else {
      reply.null();
    }
  }
}

void ReadModifyWrite::start(Session& session, Namespace space, std::string_view key) {
  reply_ = session.defer();
  space_ = space;
  key_ = key;
  session.hold_for(reply_.slot());
  retry();
}

void ReadModifyWrite::retry() {
  if (attempts_++ == kMaxAttempts) {
    reply_.writer().error("ERR the key is being changed by other clients; try again");
    reply_.finish();
    return;
  }
  worker().get(space_, key_, [keep = self()](Result<std::optional<Found>> found) {
    if (!found) return keep->finish_with_error(found.error());
    keep->decide(*found);
  });
}

void ReadModifyWrite::finish_with_error(const Error& error) {
  reply_.writer().error(error);
  reply_.finish();
}

void ReadModifyWrite::finish_with_value(const std::optional<Found>& found) {
  if (found) {
    reply_.writer().value(found->entry);
  } else {
    reply_.writer().null();
  }
  reply_.finish();
}

}  // namespace kachel::server
