// Who may connect: the users' file (--users). A user is a tenant of that name.
//
// One line for each fact; `kachel user` writes them:
//   alice password $argon2id$v=19$...
//   alice token 3b1c...             SHA-256 of a bearer token
//   alice admin                     may run what concerns all tenants
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "io/error.h"

namespace kachel::server {

inline constexpr std::size_t kMaxUsers = 1024;
inline constexpr std::size_t kMaxTokens = 16;  // of one user

struct User {
  std::string password_hash;           // empty: has no password
  std::set<std::string> token_hashes;  // at most kMaxTokens
  bool is_admin = false;
  friend bool operator==(const User&, const User&) = default;
};

/// The users of one file. Immutable once shared.
class UserSet {
 public:
  using Users = std::map<std::string, User, std::less<>>;

  /// kInvalidArgument: "FILE:LINE: what is wrong, and what to write".
  static Result<UserSet> parse(std::string_view text, const std::string& file);
  /// The same; kNotFound, kPermission, kIo when it can't be read.
  static Result<UserSet> read(const std::string& file);
  /// For parse(): one line a fact, by name.
  std::string text() const;

  const Users& users() const { return users_; }
  Users& users() { return users_; }
  const User* find(std::string_view name) const;
  /// Whose token it is; end() when it is nobody's.
  Users::const_iterator find_token(std::string_view token) const;

 private:
  Users users_;
};

/// Replaces the file, which only its owner may read. kPermission, kNoSpace, kIo.
Result<void> write_users(const UserSet& users, const std::string& file);

}  // namespace kachel::server
