// A file that a test reads, gone with it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <unistd.h>

namespace kachel::bench {

class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view bytes)
      : path_((std::filesystem::temp_directory_path() / "kachel-bench-XXXXXX").string()) {
    const int file = ::mkstemp(path_.data());
    if (file < 0 || ::write(file, bytes.data(), bytes.size()) < 0) std::abort();
    ::close(file);
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace kachel::bench
