// Where the files of a snapshot come from: a directory, or a running kacheld. Blocking.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/error.h"
#include "io/zeroizing.h"
#include "tools/resp_client.h"

namespace kachel::tools {

struct SourceFile {
  std::string path;  // within the snapshot
  std::uint64_t bytes = 0;
};

class CopySource {
 public:
  virtual ~CopySource() = default;
  virtual Result<std::vector<SourceFile>> list() = 0;
  /// Asks for bytes that take() gives, in the order in which they were asked for: so that a distant
  /// source is never idle.
  virtual Result<void> ask(const std::string& path, std::uint64_t offset, std::size_t bytes) = 0;
  /// Fewer bytes than asked for at the end of the file, and where the source gives no more at once.
  virtual Result<ZeroizingBytes> take() = 0;

  Result<ZeroizingBytes> read(const std::string& path, std::uint64_t offset, std::size_t bytes) {
    if (auto asked = ask(path, offset, bytes); !asked) return asked.error();
    return take();
  }
};

/// kNotFound, kPermission.
Result<std::unique_ptr<CopySource>> open_directory_source(const std::string& directory);
/// `client` outlives it.
std::unique_ptr<CopySource> server_source(RespClient& client, std::string snapshot);

}  // namespace kachel::tools
