// Reads the history of checkpoints note by note, in constant memory, past whatever is damaged.
// Internal to engine/audit.
#pragma once

#include <memory>
#include <string>

#include "io/storage.h"

namespace kachel::audit {

class HistoryReader {
 public:
  explicit HistoryReader(io::Storage& storage) : storage_(storage) {}

  /// Up to and with the next signature's line, or what there is instead; empty at the end.
  Result<std::string> next();

 private:
  Result<bool> fill();

  io::Storage& storage_;
  std::unique_ptr<io::File> file_;
  std::uint64_t offset_ = 0;
  std::uint64_t size_ = 0;
  std::string buffer_;
  bool has_failed_ = false;
};

}  // namespace kachel::audit
