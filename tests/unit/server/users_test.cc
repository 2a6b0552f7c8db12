#include "server/users.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

#include "server/credentials.h"

namespace kachel::server {
namespace {

const std::string& some_hash() {
  static const std::string hash = hash_password("correct horse").value();
  return hash;
}

std::string error_of(const std::string& text) {
  const auto parsed = UserSet::parse(text, "users");
  return parsed ? "" : parsed.error().message;
}

TEST(Credentials, APasswordFitsItsHashOnly) {
  EXPECT_TRUE(is_password_hash(some_hash()));
  EXPECT_TRUE(verify_password(some_hash(), "correct horse"));
  EXPECT_FALSE(verify_password(some_hash(), "correct hors"));
  EXPECT_FALSE(verify_password(some_hash(), ""));
  EXPECT_NE(hash_password("correct horse").value(), some_hash()) << "there is salt in it";
}

TEST(Credentials, AHashThatCostsMoreThanOursIsRefused) {
  std::string dear = some_hash();
  const std::size_t at = dear.find("m=19456");
  ASSERT_NE(at, std::string::npos);
  dear.replace(at, 7, "m=4194304");
  EXPECT_FALSE(is_password_hash(dear));
  EXPECT_FALSE(is_password_hash("$argon2id$nonsense"));
  EXPECT_FALSE(is_password_hash(std::string(1000, 'a')));
}

TEST(Credentials, TokensAreLongAndDifferent) {
  const ZeroizingString token = make_token();
  EXPECT_EQ(token.size(), 50u);
  EXPECT_NE(token, make_token());
  EXPECT_TRUE(is_token_hash(token_hash(token)));
  EXPECT_NE(token_hash(token), token_hash(make_token()));
}

TEST(Users, AreReadAsTheyWereWritten) {
  UserSet set;
  set.users()["alice"] = {some_hash(), {token_hash("a"), token_hash("b")}, true};
  set.users()["bob.2"] = {"", {token_hash("c")}, false};
  const auto read = UserSet::parse(set.text(), "users");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->users(), set.users());
  EXPECT_EQ(read->find_token("b")->first, "alice");
  EXPECT_EQ(read->find_token("c")->first, "bob.2");
  EXPECT_EQ(read->find_token("d"), read->users().end());
  EXPECT_EQ(read->find("carol"), nullptr);
}

TEST(Users, WhatIsWrongIsSaidWithItsLine) {
  EXPECT_EQ(error_of("# comment\n\n  \nalice admin\r\n"), "");
  EXPECT_EQ(error_of("alice admin\nbob\n").substr(0, 15), "users:2: write ");
  EXPECT_NE(error_of("a/b admin").find("users:1: a user's name has 1 to 64"), std::string::npos);
  EXPECT_NE(error_of("alice password secret").find("kachel user add"), std::string::npos);
  EXPECT_NE(error_of("alice token short").find("kachel user token"), std::string::npos);
  EXPECT_NE(error_of("alice admin now").find("users:1: write"), std::string::npos);
  const std::string line = "alice password " + some_hash() + "\n";
  EXPECT_NE(error_of(line + line).find("users:2: this user has a password"), std::string::npos);
  std::string tokens;
  for (std::size_t i = 0; i <= kMaxTokens; ++i)
    tokens += "alice token " + token_hash(std::to_string(i)) + "\n";
  EXPECT_NE(error_of(tokens).find("users:17: "), std::string::npos);
  std::string many;
  for (std::size_t i = 0; i <= kMaxUsers; ++i)
    many += "user" + std::to_string(i) + " admin\n";
  EXPECT_NE(error_of(many).find("users:1025: too many users"), std::string::npos);
}

TEST(Users, TheFileIsItsOwnersOnly) {
  const std::string directory = ::testing::TempDir() + "users-" + std::to_string(::getpid());
  std::filesystem::create_directory(directory);
  const std::string file = directory + "/users";
  EXPECT_EQ(UserSet::read(file).error().code, ErrorCode::kNotFound);
  UserSet set;
  set.users()["alice"] = {some_hash(), {}, false};
  ASSERT_TRUE(write_users(set, file));
  ASSERT_TRUE(write_users(set, file)) << "over itself";
  EXPECT_EQ(UserSet::read(file).value().users(), set.users());
  const auto mode = std::filesystem::status(file).permissions();
  EXPECT_EQ(mode & std::filesystem::perms::all,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_FALSE(std::filesystem::exists(file + ".new"));
  EXPECT_FALSE(write_users(set, directory + "/none/users"));
  EXPECT_FALSE(UserSet::read(directory)) << "a directory";
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace kachel::server
