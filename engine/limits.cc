#include "engine/limits.h"

#include <string>

namespace kachel {
namespace {

constexpr std::uint64_t kMaxKeyBytes = 512 * 1024;  // fits a record's meta
constexpr std::uint64_t kMaxValueBytes = 256 * kMiB;
constexpr std::uint64_t kMinSegmentBytes = 64 * 1024;
constexpr std::uint64_t kMaxSegmentBytes = 1024 * kMiB;
constexpr int kMaxCompressionLevel = 19;

Error too_large(std::string message) {
  return {ErrorCode::kTooLarge, std::move(message)};
}

std::string mib(std::uint64_t bytes) {
  return std::to_string(bytes / kMiB) + " MiB";
}

}  // namespace

Result<void> check_options(const Options& options) {
  if (options.memory_bytes < kMinMemoryBytes) {
    return invalid("memory is " + mib(options.memory_bytes) + ": at least " + mib(kMinMemoryBytes) +
                   " is needed");
  }
  if (options.capacity_bytes < kMinCapacityBytes) {
    return invalid("capacity is " + mib(options.capacity_bytes) + ": at least " +
                   mib(kMinCapacityBytes) + " is needed");
  }
  if (options.segment_bytes != 0 &&
      (options.segment_bytes < kMinSegmentBytes || options.segment_bytes > kMaxSegmentBytes)) {
    return invalid("segment size must lie between 64 KiB and 1024 MiB");
  }
  if (options.max_key_bytes == 0 || options.max_key_bytes > kMaxKeyBytes) {
    return invalid("the longest key must lie between 1 B and 512 KiB");
  }
  if (options.max_value_bytes == 0 || options.max_value_bytes > kMaxValueBytes) {
    return invalid("the largest value must lie between 1 B and " + mib(kMaxValueBytes));
  }
  for (const int level : {options.compression_level, options.dictionaries.level}) {
    if (level < 1 || level > kMaxCompressionLevel) {
      return invalid("the compression level must lie between 1 and 19");
    }
  }
  if (options.sync_interval.count() <= 0 || options.relaxed_interval.count() <= 0) {
    return invalid("intervals must be above 0 ms");
  }
  if (options.hot_save_interval.count() <= 0) return invalid("intervals must be above 0 ms");
  if (options.erase_within < kMinEraseWithin || options.erase_within > kMaxEraseWithin) {
    return invalid("erase_within must lie between 10 s and 36500 days");
  }
  return {};
}

Result<void> check_put(const Options& options, std::string_view key, std::string_view value,
                       const Metadata& metadata) {
  if (key.size() > options.max_key_bytes) {
    return too_large("key is " + std::to_string(key.size()) + " bytes long: the limit is " +
                     std::to_string(options.max_key_bytes));
  }
  if (value.size() > options.max_value_bytes) {
    return too_large("value is " + std::to_string(value.size()) + " bytes long: the limit is " +
                     std::to_string(options.max_value_bytes));
  }
  if (metadata.model.size() > kMaxModelBytes) {
    return too_large("model name is longer than " + std::to_string(kMaxModelBytes) + " bytes");
  }
  if (metadata.subjects.size() > kMaxSubjects) {
    return too_large("an entry has at most " + std::to_string(kMaxSubjects) + " subjects");
  }
  for (const ZeroizingString& subject : metadata.subjects) {
    if (subject.empty() || subject.size() > kMaxSubjectBytes) {
      return too_large("a subject is 1 to " + std::to_string(kMaxSubjectBytes) + " bytes long");
    }
  }
  return {};
}

}  // namespace kachel
