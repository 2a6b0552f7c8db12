// Commands that make several engine calls: over many keys, and read-modify-write.
//
// Both are reference-counted by the engine handlers they wait for. Worker thread only.
#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "engine/store.h"
#include "server/session.h"

namespace kachel::server {

/// One engine call an element, a bounded number at a time, one reply when all are done.
class FanOut : public boost::intrusive_ref_counter<FanOut, boost::thread_unsafe_counter> {
 public:
  enum class Order : std::uint8_t {
    kAny,      // elements do not affect each other
    kInOrder,  // an element that is not settled holds those behind it
  };
  virtual ~FanOut() = default;
  FanOut(const FanOut&) = delete;
  FanOut& operator=(const FanOut&) = delete;

  /// `arguments` may be views: they are copied if they are needed for longer.
  void start(Session& session, Arguments arguments, std::size_t elements);

 protected:
  explicit FanOut(Order order) : order_(order) {}
  /// Makes the call of one element; its handler calls completed(). What the call returned.
  virtual bool issue(std::size_t element) = 0;
  virtual void write(ReplyWriter reply) = 0;

  void completed();
  /// Issues no more; the reply will be the first error given.
  void fail(std::string error);
  std::string_view argument(std::size_t index) const { return arguments_[index]; }
  Worker& worker() const { return reply_.session().worker(); }
  Session& session() const { return reply_.session(); }
  Namespace space() const { return space_; }
  boost::intrusive_ptr<FanOut> self() { return this; }

 private:
  static constexpr std::size_t kMaxInFlight = 64;

  void pump();
  void issue_next();
  void own_arguments();
  bool all_issued() const { return next_ == elements_ || !error_.empty(); }

  Order order_;
  PendingReply reply_;
  Namespace space_;
  Arguments arguments_;
  std::vector<ZeroizingString> owned_;
  std::vector<std::string_view> owned_views_;
  std::string error_;
  std::size_t elements_ = 0;
  std::size_t next_ = 0;
  std::size_t in_flight_ = 0;
  std::size_t completions_ = 0;
  bool unsettled_ = false;  // some call was
  bool stalled_ = false;    // in order, and the last call is not settled
  bool pumping_ = false;
  bool finished_ = false;
};

/// The values of entries, each or null, in order.
class GetMany : public FanOut {
 protected:
  explicit GetMany(std::size_t entries) : FanOut(Order::kAny), found_(entries) {}
  virtual Namespace where() const { return space(); }
  /// May be put into `room`.
  virtual std::string_view key_of(std::size_t element, ZeroizingString& room) const = 0;

 private:
  bool issue(std::size_t element) override;
  void look_ahead(std::size_t element);
  void take(std::size_t element, Entry::Pointer entry);
  void write(ReplyWriter reply) override;

  std::vector<Entry::Pointer> found_;
  std::size_t bytes_ = 0;
};

/// The value, null, or the error.
void write_found(ReplyWriter reply, const Result<std::optional<Found>>& found);

/// Reads an entry, then writes on the condition that it is still the same version; again
/// when it is not. Later commands of the client wait.
class ReadModifyWrite
    : public boost::intrusive_ref_counter<ReadModifyWrite, boost::thread_unsafe_counter> {
 public:
  virtual ~ReadModifyWrite() = default;
  ReadModifyWrite(const ReadModifyWrite&) = delete;
  ReadModifyWrite& operator=(const ReadModifyWrite&) = delete;

  void start(Session& session, std::string_view key) { start(session, session.space(), key); }
  void start(Session& session, Namespace space, std::string_view key);

 protected:
  ReadModifyWrite() = default;
  /// Replies and finishes, or writes and does so later, or calls retry().
  virtual void decide(const std::optional<Found>& found) = 0;

  void retry();
  void finish_with_error(const Error& error);
  /// Replies what `write(ReplyWriter)` writes.
  template <typename Write>
  void finish_with(Write write) {
    write(reply_.writer());
    reply_.finish();
  }
  /// Replies the value, or null.
  void finish_with_value(const std::optional<Found>& found);
  Worker& worker() const { return reply_.session().worker(); }
  Session& session() const { return reply_.session(); }
  Namespace space() const { return space_; }
  std::string_view key() const { return key_; }
  boost::intrusive_ptr<ReadModifyWrite> self() { return this; }

 private:
  // Each retry means that somebody else's write got in between: progress was made.
  static constexpr unsigned kMaxAttempts = 16;

  PendingReply reply_;
  Namespace space_;
  ZeroizingString key_;
  unsigned attempts_ = 0;
};

}  // namespace kachel::server
