#include "tools/copy_source.h"

#include <algorithm>
#include <boost/json.hpp>
#include <deque>
#include <filesystem>
#include <utility>

#include "io/posix_storage.h"

namespace kachel::tools {
namespace {

namespace json = boost::json;
constexpr std::size_t kMaxFiles = std::size_t{1} << 24;

class DirectorySource final : public CopySource {
 public:
  DirectorySource(std::string directory, std::unique_ptr<io::Storage> storage)
      : directory_(std::move(directory)), storage_(std::move(storage)) {}

  Result<std::vector<SourceFile>> list() override {
    namespace fs = std::filesystem;
    std::vector<SourceFile> files;
    std::error_code error;
    for (fs::recursive_directory_iterator it(directory_, error), end; !error && it != end;
         it.increment(error)) {
      if (!it->is_regular_file(error)) continue;
      files.push_back({fs::relative(it->path(), directory_, error).string(), it->file_size(error)});
    }
    if (error) return os_error(error.value(), "listing " + directory_);
    std::sort(files.begin(), files.end(),
              [](const auto& one, const auto& other) { return one.path < other.path; });
    return files;
  }

  Result<void> ask(const std::string& path, std::uint64_t offset, std::size_t bytes) override {
    asked_.push_back({path, offset, bytes});
    return {};
  }

  Result<ZeroizingBytes> take() override {
    const Range range = std::move(asked_.front());
    asked_.pop_front();
    if (range.path != open_path_) {
      auto opened = storage_->open(range.path, io::OpenMode::kRead);
      if (!opened) return opened.error();
      file_ = std::move(*opened);
      open_path_ = range.path;
    }
    ZeroizingBytes read(range.bytes);
    const auto got = file_->read_at(range.offset, read);
    if (!got) return got.error();
    read.resize(*got);
    return read;
  }

 private:
  struct Range {
    std::string path;
    std::uint64_t offset = 0;
    std::size_t bytes = 0;
  };

  const std::string directory_;
  const std::unique_ptr<io::Storage> storage_;
  std::string open_path_;
  std::unique_ptr<io::File> file_;
  std::deque<Range> asked_;
};

class ServerSource final : public CopySource {
 public:
  ServerSource(RespClient& client, std::string snapshot)
      : client_(client), snapshot_(std::move(snapshot)) {}

  Result<std::vector<SourceFile>> list() override {
    const auto answer = client_.ask({"KACHEL.SNAPSHOT", "FILES", snapshot_});
    if (!answer) return answer.error();
    const Error garbled{ErrorCode::kForeign, "the list of the snapshot's files is none"};
    json::error_code error;
    const json::value value = json::parse(*answer, error);
    if (error || !value.is_array() || value.get_array().size() > kMaxFiles) return garbled;
    std::vector<SourceFile> files;
    for (const json::value& item : value.get_array()) {
      const json::object* object = item.if_object();
      const json::value* path = object != nullptr ? object->if_contains("path") : nullptr;
      const json::value* bytes = object != nullptr ? object->if_contains("bytes") : nullptr;
      if (path == nullptr || !path->is_string() || bytes == nullptr) return garbled;
      const auto number = bytes->to_number<std::uint64_t>(error);
      if (error) return garbled;
      files.push_back({std::string(path->get_string()), number});
    }
    return files;
  }

  Result<void> ask(const std::string& path, std::uint64_t offset, std::size_t bytes) override {
    return client_.send_request({"KACHEL.SNAPSHOT", "READ", snapshot_, path, std::to_string(offset),
                                 std::to_string(bytes)});
  }

  Result<ZeroizingBytes> take() override { return client_.take_answer(); }

 private:
  RespClient& client_;
  const std::string snapshot_;
};

}  // namespace

Result<std::unique_ptr<CopySource>> open_directory_source(const std::string& directory) {
  io::PosixStorageOptions options;
  options.read_only = true;
  auto storage = io::open_posix_storage(directory, options);
  if (!storage) return storage.error();
  return std::unique_ptr<CopySource>(
      std::make_unique<DirectorySource>(directory, std::move(*storage)));
}

std::unique_ptr<CopySource> server_source(RespClient& client, std::string snapshot) {
  return std::make_unique<ServerSource>(client, std::move(snapshot));
}

}  // namespace kachel::tools
