#include "tools/bench/line_reader.h"

#include <cerrno>
#include <cstdio>
#include <fmt/format.h>
#include <memory>
#include <vector>
#include <zstd.h>

namespace kachel::bench {
namespace {

constexpr std::size_t kReadBytes = 128 * 1024;
// A line that is longer is no line of a corpus or a trace.
constexpr std::size_t kMaxLineBytes = std::size_t{64} << 20U;

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
struct StreamDeleter {
  void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
};

/// Bytes in pieces of any size, lines out.
class LineSplitter {
 public:
  explicit LineSplitter(const std::function<bool(std::string_view)>& take) : take_(take) {}

  /// False once no more lines are wanted.
  bool feed(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::size_t end = bytes.find('\n');
      if (end == std::string_view::npos) {
        rest_.append(bytes);
        return true;
      }
      if (!give(bytes.substr(0, end))) return false;
      bytes.remove_prefix(end + 1);
    }
    return true;
  }
  void finish() {
    if (!rest_.empty()) give({});
  }
  std::size_t waiting_bytes() const { return rest_.size(); }

 private:
  bool give(std::string_view end) {
    if (rest_.empty()) return end.empty() || take_(end);
    rest_.append(end);
    const bool goes_on = take_(rest_);
    rest_.clear();
    return goes_on;
  }

  const std::function<bool(std::string_view)>& take_;
  std::string rest_;
};

class Decompressor {
 public:
  Decompressor() : stream_(ZSTD_createDStream()), out_(ZSTD_DStreamOutSize()) {}

  Result<bool> feed(std::string_view bytes, LineSplitter& lines) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    while (true) {
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      left_ = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(left_) != 0) {
        return Error{ErrorCode::kCorrupt, fmt::format("not zstd: {}", ZSTD_getErrorName(left_))};
      }
      if (!lines.feed({out_.data(), out.pos})) return false;
      if (in.pos == in.size && out.pos < out.size) return true;
    }
  }
  bool is_complete() const { return left_ == 0; }

 private:
  std::unique_ptr<ZSTD_DStream, StreamDeleter> stream_;
  std::vector<char> out_;
  std::size_t left_ = 0;
};

bool is_zstd(std::string_view bytes) {
  return bytes.starts_with("\x28\xB5\x2F\xFD");
}

Result<void> read_lines(std::FILE* file, LineSplitter& lines) {
  std::vector<char> buffer(kReadBytes);
  std::unique_ptr<Decompressor> decompressor;
  for (bool is_first = true;; is_first = false) {
    const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), file);
    if (std::ferror(file) != 0) return os_error(errno, "read");
    if (got == 0) break;
    const std::string_view bytes(buffer.data(), got);
    if (is_first && is_zstd(bytes)) decompressor = std::make_unique<Decompressor>();
    const Result<bool> goes_on =
        decompressor ? decompressor->feed(bytes, lines) : Result<bool>(lines.feed(bytes));
    if (!goes_on) return goes_on.error();
    if (!*goes_on) return {};
    if (lines.waiting_bytes() > kMaxLineBytes) return invalid("a line is longer than 64 MiB");
  }
  if (decompressor && !decompressor->is_complete()) {
    return Error{ErrorCode::kCorrupt, "the zstd file is cut short"};
  }
  lines.finish();
  return {};
}

}  // namespace

Result<void> for_each_line(const std::string& path,
                           const std::function<bool(std::string_view)>& take) {
  const std::unique_ptr<std::FILE, FileCloser> file(std::fopen(path.c_str(), "rbe"));
  if (!file) return os_error(errno, path);
  LineSplitter lines(take);
  auto read = read_lines(file.get(), lines);
  if (!read) return Error{read.error().code, path + ": " + read.error().message};
  return {};
}

}  // namespace kachel::bench
