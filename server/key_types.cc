#include "server/key_types.h"

#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <utility>

#include "server/session.h"

namespace kachel::server {
namespace {

using namespace command_flag;

constexpr std::size_t kMaxLooks = 64;  // at once

}  // namespace

/// All keys of one command. Kept alive by the engine's handlers.
class KeyTypes::Look : public boost::intrusive_ref_counter<Look, boost::thread_unsafe_counter> {
 public:
  Look(Session& session, const CommandSpec& spec, Arguments arguments)
      : session_(&session), space_(session.space()), flags_(spec.flags) {
    for (const std::size_t place : key_places(spec, arguments.size()))
      keys_.emplace_back(arguments[place]);
    hashes_.resize(keys_.size());
  }

  /// Of whoever calls it, until it returns.
  void start() { pump(); }

 private:
  void pump() {
    if (pumping_) return;
    pumping_ = true;
    while (next_ < keys_.size() && in_flight_ < kMaxLooks) {
      ++in_flight_;
      look_at(next_++);
    }
    pumping_ = false;
    if (in_flight_ == 0 && next_ == keys_.size()) end();
  }

  void look_at(std::size_t key) {
    session_->worker().glimpse(
        space_, keys_[key],
        [keep = boost::intrusive_ptr(this), key](Result<std::optional<Glimpse>> seen) {
          if (!seen) {
            keep->refuse("ERR " + seen.error().message);
          } else if (!*seen && (keep->flags_ & kHashKeys) == 0) {
            return keep->look_at_hash(key);
          } else if (*seen && (keep->flags_ & kHashKeys) != 0) {
            keep->refuse(std::string(kWrongType));
          }
          keep->known();
        });
  }

  void look_at_hash(std::size_t key) {
    session_->worker().glimpse_hash(
        space_, keys_[key],
        [keep = boost::intrusive_ptr(this), key](Result<std::optional<Glimpse>> seen) {
          if (!seen) {
            keep->refuse("ERR " + seen.error().message);
          } else if (*seen && (keep->flags_ & kStringKeys) != 0) {
            keep->refuse(std::string(kWrongType));
          } else {
            keep->hashes_[key] = *seen;
          }
          keep->known();
        });
  }

  void refuse(std::string why) {
    if (refusal_.empty()) refusal_ = std::move(why);
  }
  void known() {
    --in_flight_;
    pump();
  }
  void end() { session_->key_types_known(std::move(hashes_), std::move(refusal_)); }

  SessionPointer session_;
  Namespace space_;
  std::uint32_t flags_;
  std::vector<ZeroizingString> keys_;
  std::vector<std::optional<Glimpse>> hashes_;
  std::string refusal_;
  std::size_t next_ = 0;
  std::size_t in_flight_ = 0;
  bool pumping_ = false;
};

bool KeyTypes::wait(Session& session, const CommandSpec& spec, Arguments arguments) {
  if (is_known_ || (spec.flags & (kStringKeys | kHashKeys | kAnyKeys)) == 0) return false;
  if (!arity_fits(spec, arguments.size())) return false;
  const bool seeks_hashes = (spec.flags & kHashKeys) == 0;
  if (seeks_hashes && !session.store().may_have_hashes(session.space())) return false;
  is_looking_ = true;
  const boost::intrusive_ptr<Look> look(new Look(session, spec, arguments));
  look->start();
  return is_looking_;
}

void KeyTypes::take(std::vector<std::optional<Glimpse>> hashes, std::string refusal) {
  hashes_ = std::move(hashes);
  refusal_ = std::move(refusal);
  is_looking_ = false;
  is_known_ = true;
}

}  // namespace kachel::server
