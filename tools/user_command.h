// `kachel user`: who may connect to kacheld (docs/operating.md).
#pragma once

#include <cstdint>
#include <string>

namespace kachel::tools {

enum class UserAction : std::uint8_t { kAdd, kToken, kRemove, kList };

struct UserRequest {
  UserAction action = UserAction::kList;
  std::string file;  // the users' file; made by kAdd when it is not there
  std::string name;
  bool is_admin = false;          // kAdd
  bool reads_stdin = false;       // kAdd: the password is the first line there
  bool without_password = false;  // kAdd: he has tokens only
};
/// The exit code.
int run_user(const UserRequest& request);

}  // namespace kachel::tools
