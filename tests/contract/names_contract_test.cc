// What every Storage promises about names, directories and locks.
#include "contract_test.h"

namespace kachel::io {

namespace {

using Names = std::vector<std::string>;

}  // namespace

TEST_P(ContractTest, OpeningWhatIsMissingIsNotFound) {
  const auto file = storage().open("missing", OpenMode::kRead);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kNotFound);
  EXPECT_NE(file.error().message.find("missing"), std::string::npos);
  EXPECT_EQ(storage().open("no/such/directory", OpenMode::kCreate).error().code,
            ErrorCode::kNotFound);
}

TEST_P(ContractTest, CreatingWhatExistsIsAlreadyExists) {
  create("a");
  EXPECT_EQ(storage().open("a", OpenMode::kCreate).error().code, ErrorCode::kAlreadyExists);
}

TEST_P(ContractTest, PathsThatLeaveTheStorageAreRefused) {
  for (const char* path : {"", "/etc/passwd", "../x", "a/../b", "a//b", ".", "a/"}) {
    EXPECT_EQ(storage().open(path, OpenMode::kCreate).error().code, ErrorCode::kInvalidArgument)
        << path;
    EXPECT_EQ(storage().remove(path).error().code, ErrorCode::kInvalidArgument) << path;
    EXPECT_EQ(storage().remove_tree(path).error().code, ErrorCode::kInvalidArgument) << path;
  }
}

TEST_P(ContractTest, ExistsSeesFilesAndDirectories) {
  EXPECT_FALSE(storage().exists("a").value());
  EXPECT_FALSE(storage().exists("d/a").value());
  create("a");
  storage().create_directory("d").value();
  EXPECT_TRUE(storage().exists("a").value());
  EXPECT_TRUE(storage().exists("d").value());
}

TEST_P(ContractTest, ListsAreSortedAndOfOneLevel) {
  storage().create_directory("d").value();
  for (const char* name : {"d/b", "d/a", "d/c", "z"})
    create(name);
  EXPECT_EQ(storage().list("d").value(), (Names{"a", "b", "c"}));
  EXPECT_EQ(storage().list("").value(), (Names{"d", "z"}));
  EXPECT_EQ(storage().list("none").error().code, ErrorCode::kNotFound);
}

TEST_P(ContractTest, CreatingADirectoryTwiceIsFine) {
  storage().create_directory("d").value();
  create("d/a");
  storage().create_directory("d").value();
  EXPECT_TRUE(storage().exists("d/a").value());
  create("f");
  EXPECT_EQ(storage().create_directory("f").error().code, ErrorCode::kAlreadyExists);
}

TEST_P(ContractTest, RenameReplacesTheTarget) {
  create("a", pattern(10, 1));
  create("b", pattern(20, 2));
  storage().rename("a", "b").value();
  EXPECT_FALSE(storage().exists("a").value());
  EXPECT_EQ(storage().open("b", OpenMode::kRead).value()->size().value(), 10U);
  EXPECT_EQ(storage().rename("a", "c").error().code, ErrorCode::kNotFound);
}

TEST_P(ContractTest, LinkIsAnotherNameOfTheSameFile) {
  const auto file = create("a", pattern(10, 1));
  storage().create_directory("d").value();
  storage().link("a", "d/b").value();
  EXPECT_EQ(storage().link("a", "d/b").error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(storage().link("none", "d/c").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(storage().link("a", "none/c").error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(storage().link("d", "e"));
  storage().remove("a").value();
  EXPECT_EQ(storage().open("d/b", OpenMode::kRead).value()->size().value(), 10U);
}

TEST_P(ContractTest, RenamedDirectoryKeepsItsFiles) {
  storage().create_directory("d").value();
  create("d/a");
  storage().rename("d", "e").value();
  EXPECT_EQ(storage().list("e").value(), Names{"a"});
}

TEST_P(ContractTest, RemovedFileStaysReadableWhileOpen) {
  const auto file = create("a", pattern(4096));
  storage().remove("a").value();
  EXPECT_FALSE(storage().exists("a").value());
  EXPECT_EQ(read(*file, 0, 4096).bytes, pattern(4096));
  EXPECT_EQ(storage().remove("a").error().code, ErrorCode::kNotFound);
}

TEST_P(ContractTest, RemoveTreeTakesEverythingBelow) {
  storage().create_directory("d").value();
  storage().create_directory("d/e").value();
  create("d/e/a");
  storage().remove_tree("d").value();
  EXPECT_FALSE(storage().exists("d").value());
  storage().remove_tree("d").value();  // not there: fine
}

TEST_P(ContractTest, SecondLockIsRefusedUntilTheFirstIsReleased) {
  auto first = storage().lock("LOCK").value();
  const auto second = storage().lock("LOCK");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kLocked);
  first.reset();
  EXPECT_TRUE(storage().lock("LOCK"));
}

TEST_P(ContractTest, SpaceIsKnown) {
  const SpaceInfo space = storage().space().value();
  EXPECT_GT(space.total_bytes, 0U);
  EXPECT_LE(space.available_bytes, space.total_bytes);
}

}  // namespace kachel::io
