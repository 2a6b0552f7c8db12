#include "tools/files.h"

#include <cerrno>
#include <cstdio>
#include <memory>

namespace kachel::tools {
namespace {

constexpr std::size_t kMaxKeyBytes = 4096;

struct Close {
  void operator()(std::FILE* file) const {
    if (file != stdin) std::fclose(file);
  }
};

}  // namespace

Result<std::string> read_text(const std::string& path, std::size_t limit) {
  const std::unique_ptr<std::FILE, Close> file(path == "-" ? stdin
                                                           : std::fopen(path.c_str(), "rb"));
  if (!file) return os_error(errno, path);
  std::string text(limit + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return os_error(errno, path);
  if (text.size() > limit) {
    return Error{ErrorCode::kTooLarge,
                 path + " is larger than " + std::to_string(limit) + " bytes"};
  }
  return text;
}

Result<audit::VerifierKey> read_verifier_key(const std::string& text) {
  if (auto key = audit::parse_verifier_key(text)) return key;
  auto file = read_text(text, kMaxKeyBytes);
  if (!file) {
    return Error{file.error().code,
                 "--key: neither a verifier key nor a file: " + file.error().message};
  }
  while (file->ends_with('\n'))
    file->pop_back();
  return audit::parse_verifier_key(*file);
}

}  // namespace kachel::tools
