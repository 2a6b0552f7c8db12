#include "tools/user_command.h"

#include <cstdio>
#include <fmt/format.h>
#include <iostream>
#include <string_view>
#include <termios.h>
#include <unistd.h>

#include "engine/tenants.h"
#include "io/zeroizing.h"
#include "server/credentials.h"
#include "server/users.h"
#include "tools/exit_codes.h"

namespace kachel::tools {
namespace {

using server::User;
using server::UserSet;

constexpr std::size_t kMinPasswordBytes = 8;

int complain(const std::string& what, int exit_code = kExitUsage) {
  fmt::print(stderr, "kachel user: {}\n", what);
  return exit_code;
}

/// What is typed is not shown while this lives.
class HiddenInput {
 public:
  HiddenInput() {
    if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios hidden = before_;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    is_hidden_ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0;
  }
  ~HiddenInput() {
    if (is_hidden_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  HiddenInput(const HiddenInput&) = delete;
  HiddenInput& operator=(const HiddenInput&) = delete;

 private:
  termios before_{};
  bool is_hidden_ = false;
};

bool read_line(ZeroizingString& line) {
  line.clear();
  for (int c = std::getchar(); c != EOF; c = std::getchar()) {
    if (c == '\n') return true;
    line.push_back(static_cast<char>(c));
  }
  return !line.empty();
}

/// Asks twice on a terminal. What is wrong; empty when it has one.
std::string read_password(const UserRequest& request, ZeroizingString& password) {
  if (request.reads_stdin) {
    if (!read_line(password)) return "no password on standard input: write it there, on one line";
  } else {
    if (isatty(STDIN_FILENO) == 0) {
      return "there is no terminal to ask for a password; use --password-stdin or --no-password";
    }
    const HiddenInput hidden;
    ZeroizingString again;
    fmt::print(stderr, "Password for {}: ", request.name);
    const bool is_read = read_line(password);
    fmt::print(stderr, "\nOnce more: ");
    const bool is_read_again = read_line(again);
    fmt::print(stderr, "\n");
    if (!is_read || !is_read_again || password != again) return "the two passwords differ";
  }
  if (password.size() < kMinPasswordBytes) {
    return fmt::format("the password is shorter than {} bytes; choose a longer one",
                       kMinPasswordBytes);
  }
  if (password.size() > server::kMaxPasswordBytes) {
    return fmt::format("the password is longer than {} bytes", server::kMaxPasswordBytes);
  }
  return {};
}

int add(const UserRequest& request, UserSet& users) {
  User user;
  if (const User* const known = users.find(request.name)) user = *known;
  user.is_admin = request.is_admin;
  user.password_hash.clear();
  if (!request.without_password) {
    ZeroizingString password;
    if (const std::string wrong = read_password(request, password); !wrong.empty()) {
      return complain(wrong);
    }
    auto hash = server::hash_password(password);
    if (!hash) return complain(hash.error().message, kExitIncomplete);
    user.password_hash = std::move(*hash);
  }
  const bool says_nothing =
      user.password_hash.empty() && user.token_hashes.empty() && !user.is_admin;
  if (says_nothing)
    return complain("make a token for a user without a password: kachel user token");
  users.users()[request.name] = std::move(user);
  return kExitClean;
}

int add_token(const UserRequest& request, UserSet& users) {
  User& user = users.users()[request.name];
  if (user.token_hashes.size() >= server::kMaxTokens) {
    return complain(fmt::format("{} has {} tokens; `kachel user remove` and add the user anew",
                                request.name, user.token_hashes.size()));
  }
  const ZeroizingString token = server::make_token();
  user.token_hashes.insert(server::token_hash(token));
  if (auto written = server::write_users(users, request.file); !written) {
    return complain(written.error().message, kExitIncomplete);
  }
  fmt::print("{}\n", std::string_view(token));
  fmt::print(stderr, "The token is shown once. kacheld takes it after SIGHUP.\n");
  return kExitClean;
}

int list(const UserSet& users) {
  fmt::print("{:<24} {:<9} {:>6}  {}\n", "user", "password", "tokens", "admin");
  for (const auto& [name, user] : users.users()) {
    fmt::print("{:<24} {:<9} {:>6}  {}\n", name, user.password_hash.empty() ? "no" : "yes",
               user.token_hashes.size(), user.is_admin ? "yes" : "no");
  }
  return kExitClean;
}

}  // namespace

int run_user(const UserRequest& request) {
  const bool makes_file =
      request.action == UserAction::kAdd || request.action == UserAction::kToken;
  auto read = UserSet::read(request.file);
  if (!read && !(makes_file && read.error().code == ErrorCode::kNotFound)) {
    return complain(read.error().message);
  }
  UserSet users = read ? std::move(*read) : UserSet();
  if (request.action == UserAction::kList) return list(users);
  if (!is_tenant_name(request.name)) {
    return complain(fmt::format("a user's name has 1 to {} letters, digits, '_', '-' and '.'",
                                kMaxTenantNameBytes));
  }
  if (request.action == UserAction::kToken) return add_token(request, users);
  if (request.action == UserAction::kRemove) {
    if (users.users().erase(request.name) == 0) {
      return complain(fmt::format("there is no user {} in {}", request.name, request.file));
    }
  } else if (const int failed = add(request, users); failed != kExitClean) {
    return failed;
  }
  if (auto written = server::write_users(users, request.file); !written) {
    return complain(written.error().message, kExitIncomplete);
  }
  fmt::print(stderr, "Written to {}. kacheld reads it at its start and on SIGHUP.\n", request.file);
  return kExitClean;
}

}  // namespace kachel::tools
