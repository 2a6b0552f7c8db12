// What a command's keys are, before it starts. A string and the fields of a hash are entries of
// their own, so that a key may be either; here it is looked up for commands that say so
// (command_flag::kStringKeys and its kin).
//
// Costs nothing where the database has no hash; else a look at the string first, and only where
// there is none at the hash. Another client may change a key between the look and the command.
#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "engine/store.h"
#include "server/command.h"

namespace kachel::server {

class Session;

inline constexpr std::string_view kWrongType =
    "WRONGTYPE Operation against a key holding the wrong kind of value";

class KeyTypes {
 public:
  /// True: the command must wait; the session goes on when all is known. Called again then.
  bool wait(Session& session, const CommandSpec& spec, Arguments arguments);
  /// Why the command can't run; empty when it can.
  const std::string& refusal() const { return refusal_; }
  /// The hash under the command's key of this number, for its expiry; nothing when it is none.
  std::optional<Glimpse> hash_at(std::size_t key) const {
    return key < hashes_.size() ? hashes_[key] : std::nullopt;
  }
  bool is_looking() const { return is_looking_; }
  /// What the look has found.
  void take(std::vector<std::optional<Glimpse>> hashes, std::string refusal);
  /// The command has run.
  void forget() {
    if (is_known_) *this = {};
  }

 private:
  class Look;

  std::vector<std::optional<Glimpse>> hashes_;  // one a key; empty: none is one
  std::string refusal_;
  bool is_looking_ = false;
  bool is_known_ = false;
};

}  // namespace kachel::server
