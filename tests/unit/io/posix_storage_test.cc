// What only files of the host's file system have: processes, permissions, blocks.
#include "io/posix_storage.h"

#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/contract/temp_directory.h"
#include "tests/contract/test_request.h"

namespace kachel::io {

class PosixStorageTest : public ::testing::Test {
 protected:
  std::unique_ptr<Storage> open(bool read_only = false) const {
    return open_posix_storage(directory_.path(), {.read_only = read_only}).value();
  }
  std::int64_t allocated_bytes(const char* name) const {
    struct stat status {};
    EXPECT_EQ(::stat((directory_.path() / name).c_str(), &status), 0);
    return status.st_blocks * 512;
  }

  TempDirectory directory_;
};

TEST_F(PosixStorageTest, MissingRootIsNotFoundUnlessCreated) {
  const auto root = directory_.path() / "new";
  EXPECT_EQ(open_posix_storage(root, {}).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(open_posix_storage(root, {.create = true}));
  EXPECT_TRUE(open_posix_storage(root, {.create = true}));
  EXPECT_EQ(open_posix_storage(root / "a" / "b", {.create = true}).error().code,
            ErrorCode::kNotFound);
}

TEST_F(PosixStorageTest, RootThatIsAFileIsRefused) {
  std::ofstream(directory_.path() / "file") << "x";
  EXPECT_EQ(open_posix_storage(directory_.path() / "file", {}).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(open_posix_storage(directory_.path() / "file", {.create = true}).error().code,
            ErrorCode::kInvalidArgument);
}

TEST_F(PosixStorageTest, NativeRootIsAbsolute) {
  EXPECT_EQ(open()->native_root(), directory_.path().string());
}

TEST_F(PosixStorageTest, ReadOnlyStorageAltersNothing) {
  create_file(*open(), "a", pattern(10));
  const auto storage = open(true);
  EXPECT_EQ(storage->open("a", OpenMode::kReadWrite).error().code, ErrorCode::kPermission);
  EXPECT_EQ(storage->open("b", OpenMode::kCreate).error().code, ErrorCode::kPermission);
  EXPECT_EQ(storage->remove("a").error().code, ErrorCode::kPermission);
  EXPECT_EQ(storage->rename("a", "b").error().code, ErrorCode::kPermission);
  EXPECT_EQ(storage->create_directory("d").error().code, ErrorCode::kPermission);
  EXPECT_EQ(storage->remove_tree("a").error().code, ErrorCode::kPermission);
  EXPECT_EQ(storage->lock("LOCK").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(storage->list("").value(), std::vector<std::string>{"a"});
  EXPECT_EQ(read_bytes(*storage->open("a", OpenMode::kRead).value(), 0, 20), pattern(10));
}

TEST_F(PosixStorageTest, AKeyIsItsOwnersAlone) {
  const auto storage = open();
  const mode_t before = ::umask(0);
  EXPECT_TRUE(storage->open("key", OpenMode::kCreateKey));
  EXPECT_TRUE(storage->open("file", OpenMode::kCreate));
  ::umask(before);
  const auto permissions = [&](const char* name) {
    struct stat status {};
    EXPECT_EQ(::stat((directory_.path() / name).c_str(), &status), 0);
    return status.st_mode & 07777;
  };
  EXPECT_EQ(permissions("key"), 0600u);
  EXPECT_EQ(permissions("file"), 0640u);
  EXPECT_EQ(storage->open("key", OpenMode::kCreateKey).error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(open(true)->open("b", OpenMode::kCreateKey).error().code, ErrorCode::kPermission);
}

TEST_F(PosixStorageTest, LockOfAnotherProcessNamesIt) {
  int ready[2];
  int done[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(done), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto storage = open_posix_storage(directory_.path(), {});
    const auto held = (*storage)->lock("LOCK");
    char byte = held ? 'y' : 'n';
    if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
    ::_exit(::read(done[0], &byte, 1) == 1 ? 0 : 1);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  const auto storage = open();
  const auto refused = storage->lock("LOCK");
  const auto refused_reader = open(true)->lock("LOCK");
  ASSERT_EQ(::write(done[1], &byte, 1), 1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kLocked);
  EXPECT_NE(refused.error().message.find("pid " + std::to_string(child)), std::string::npos);
  ASSERT_FALSE(refused_reader);
  EXPECT_EQ(refused_reader.error().code, ErrorCode::kLocked);
  EXPECT_TRUE(storage->lock("LOCK"));  // the process died: free again
  for (const int fd : {ready[0], ready[1], done[0], done[1]})
    ::close(fd);
}

TEST_F(PosixStorageTest, ReadersShareTheLock) {
  auto held = open()->lock("LOCK").value();
  EXPECT_EQ(open()->lock("LOCK").error().code, ErrorCode::kLocked);
  held.reset();
  const auto first = open(true)->lock("LOCK");
  const auto second = open(true)->lock("LOCK");
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
  EXPECT_EQ(open()->lock("LOCK").error().code, ErrorCode::kLocked);
}

TEST_F(PosixStorageTest, TruncateGivesReservedBlocksBack) {
  const auto storage = open();
  const auto file = create_file(*storage, "a", pattern(10'000));
  file->sync().value();
  file->reserve(8 << 20).value();
  if (allocated_bytes("a") < 8 << 20) GTEST_SKIP() << "this file system reserves nothing";
  file->truncate(10'000).value();
  file->sync().value();
  EXPECT_LT(allocated_bytes("a"), 1 << 20);
  EXPECT_EQ(read_bytes(*file, 0, 20'000), pattern(10'000));
}

TEST_F(PosixStorageTest, OpeningADirectoryAsAFileIsRefused) {
  const auto storage = open();
  storage->create_directory("d").value();
  EXPECT_EQ(storage->open("d", OpenMode::kRead).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace kachel::io
