#include "tools/transfer.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "tools/progress_text.h"

namespace kachel::tools {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
// Asked for and not come yet: the source reads one while another is on its way.
constexpr std::size_t kPiecesAhead = 4;
constexpr std::size_t kSyncsAtOnce = 2;
constexpr std::int64_t kTellEveryMs = 200;

}  // namespace

Transfer::Transfer(CopySource& source, std::uint64_t bytes_per_s, bool json)
    : source_(source), bytes_per_s_(bytes_per_s), json_(json) {}

Transfer::~Transfer() = default;

std::int64_t Transfer::duration_ms() const {
  return ms_since(began_);
}

Result<void> Transfer::fetch(const std::string& path, std::span<const Extent> extents,
                             io::File& to) {
  std::queue<Piece> asked;
  std::size_t next = 0;
  std::uint64_t offset = extents.empty() ? 0 : extents.front().begin;
  while (next < extents.size() || !asked.empty()) {
    if (next < extents.size() && offset >= extents[next].end) {
      if (++next < extents.size()) offset = extents[next].begin;
      continue;
    }
    if (next < extents.size() && asked.size() < kPiecesAhead) {
      const auto bytes = static_cast<std::size_t>(
          std::min<std::uint64_t>(kPieceBytes, extents[next].end - offset));
      if (auto sent = source_.ask(path, offset, bytes); !sent) return sent;
      asked.push({offset, bytes});
      offset += bytes;
      continue;
    }
    const Piece piece = asked.front();
    asked.pop();
    auto read = source_.take();
    if (read && read->size() < piece.bytes) {
      read = Error{ErrorCode::kIo, "it ends before its end: was the snapshot removed?"};
    }
    Result<void> written;
    if (read) {
      iovec part{read->data(), read->size()};
      written = to.write_at(piece.offset, std::span(&part, 1));
    }
    if (!read || !written) {
      drain(asked.size());
      return read ? written.error() : read.error();
    }
    count(piece.bytes);
  }
  return {};
}

/// What was asked for is answered all the same.
void Transfer::drain(std::size_t answers) {
  for (; answers > 0; --answers)
    (void)source_.take();
}

Result<void> Transfer::sync_later(std::unique_ptr<io::File> file, std::uint64_t bytes,
                                  std::function<Result<void>()> after) {
  Result<void> earlier;
  while (earlier && syncs_.size() >= kSyncsAtOnce) {
    earlier = syncs_.front().get();
    syncs_.pop();
  }
  if (!earlier) return earlier;
  syncs_.push(
      std::async(std::launch::async,
                 [file = std::move(file), bytes, after = std::move(after)]() -> Result<void> {
                   if (auto synced = file->sync(); !synced) return synced;
                   file->drop_cache(0, io::round_up_to_block(bytes));
                   return after ? after() : Result<void>();
                 }));
  return {};
}

Result<void> Transfer::wait() {
  Result<void> first;
  for (; !syncs_.empty(); syncs_.pop()) {
    auto done = syncs_.front().get();
    if (first) first = std::move(done);
  }
  return first;
}

void Transfer::count(std::uint64_t bytes) {
  copied_bytes_ += bytes;
  done_bytes_ += bytes;
  if (bytes_per_s_ != 0) {
    const double due_ms =
        static_cast<double>(copied_bytes_) * 1000 / static_cast<double>(bytes_per_s_);
    const auto ahead_ms = static_cast<std::int64_t>(due_ms) - duration_ms();
    if (ahead_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(ahead_ms));
  }
  tell(false);
}

void Transfer::tell(bool is_last) {
  const std::int64_t ms = duration_ms();
  if (!is_last && ms - told_ms_ < kTellEveryMs * (json_ ? 5 : 1)) return;
  told_ms_ = ms;
  const std::uint64_t rate = bytes_per_second(copied_bytes_, ms);
  if (json_) {
    fmt::print("{}\n",
               boost::json::serialize(boost::json::object{{"type", "status"},
                                                          {"copied_bytes", done_bytes_},
                                                          {"expected_bytes", expected_bytes_},
                                                          {"bytes_per_s", rate}}));
    std::fflush(stdout);
  } else if (::isatty(STDERR_FILENO) == 1) {
    fmt::print(stderr, "\r\x1b[K{}{}", progress_text(done_bytes_, expected_bytes_, rate),
               is_last ? "\n" : "");
    std::fflush(stderr);
  }
}

}  // namespace kachel::tools
