#include "server/users.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "engine/tenants.h"
#include "io/descriptor.h"
#include "server/credentials.h"

namespace kachel::server {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{16} << 20;

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const std::size_t end = std::min(line.size(), line.find_first_of(" \t\r"));
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

/// What is wrong with the line; empty when it is one more fact.
std::string add_fact(UserSet::Users& users, const std::vector<std::string_view>& words) {
  if (!is_tenant_name(words[0])) {
    return fmt::format("a user's name has 1 to {} letters, digits, '_', '-' and '.'",
                       kMaxTenantNameBytes);
  }
  const std::string_view fact = words.size() > 1 ? words[1] : std::string_view();
  User& user = users[std::string(words[0])];
  if (users.size() > kMaxUsers) return fmt::format("too many users; name at most {}", kMaxUsers);
  if (fact == "admin" && words.size() == 2) {
    user.is_admin = true;
  } else if (fact == "password" && words.size() == 3) {
    if (!user.password_hash.empty()) return "this user has a password already; remove one of them";
    if (!is_password_hash(words[2])) {
      return "this is no password hash of Kachel's; set the password with `kachel user add`";
    }
    user.password_hash = words[2];
  } else if (fact == "token" && words.size() == 3) {
    if (!is_token_hash(words[2])) {
      return "this is no token's hash; make a token with `kachel user token`";
    }
    user.token_hashes.emplace(words[2]);
    if (user.token_hashes.size() > kMaxTokens) {
      return fmt::format("this user has more than {} tokens; remove one", kMaxTokens);
    }
  } else {
    return "write NAME password HASH, NAME token HASH or NAME admin, as `kachel user` does";
  }
  return {};
}

Error failed(const std::string& what, const std::string& file) {
  const int number = errno;
  const bool denied = number == EACCES || number == EPERM || number == EROFS;
  const ErrorCode code = denied             ? ErrorCode::kPermission
                         : number == ENOSPC ? ErrorCode::kNoSpace
                         : number == ENOENT ? ErrorCode::kNotFound
                                            : ErrorCode::kIo;
  return {code, fmt::format("{} {}: {}", what, file, std::strerror(number))};
}

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Result<UserSet> UserSet::parse(std::string_view text, const std::string& file) {
  UserSet set;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    ++number;
    const auto words = words_of(line);
    if (words.empty() || words[0].starts_with('#')) continue;
    if (const std::string wrong = add_fact(set.users_, words); !wrong.empty()) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("{}:{}: {}", file, number, wrong)};
    }
  }
  return set;
}

Result<UserSet> UserSet::read(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream.is_open()) return failed("cannot read the users' file", file);
  std::string text(kMaxFileBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad() || (stream.gcount() == 0 && !stream.eof())) {
    return failed("cannot read the users' file", file);
  }
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > kMaxFileBytes) {
    return Error{ErrorCode::kInvalidArgument, file + " is too large to be a users' file"};
  }
  return parse(text, file);
}

std::string UserSet::text() const {
  std::string text = "# The users of kacheld, written by `kachel user`: one line for each fact.\n";
  for (const auto& [name, user] : users_) {
    if (!user.password_hash.empty()) {
      text.append(name).append(" password ").append(user.password_hash).append("\n");
    }
    for (const std::string& hash : user.token_hashes)
      text.append(name).append(" token ").append(hash).append("\n");
    if (user.is_admin) text.append(name).append(" admin\n");
  }
  return text;
}

const User* UserSet::find(std::string_view name) const {
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : &found->second;
}

UserSet::Users::const_iterator UserSet::find_token(std::string_view token) const {
  // By its hash: how long this takes says nothing about a token that is not known.
  const std::string hash = token_hash(token);
  return std::find_if(users_.begin(), users_.end(),
                      [&](const auto& user) { return user.second.token_hashes.contains(hash); });
}

Result<void> write_users(const UserSet& users, const std::string& file) {
  const std::string beside = file + ".new";
  {
    const io::Descriptor made(
        ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (made.get() < 0) return failed("cannot write", beside);
    const bool is_written = write_all(made.get(), users.text()) && ::fsync(made.get()) == 0;
    if (!is_written) {
      Error error = failed("cannot write", beside);
      ::unlink(beside.c_str());
      return error;
    }
  }
  if (::rename(beside.c_str(), file.c_str()) != 0) return failed("cannot replace", file);
  return {};
}

}  // namespace kachel::server
