// What the tests of io/ share: recognisable bytes, and a request that counts its completions.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "io/file.h"
#include "io/random.h"
#include "io/storage.h"

namespace kachel::io {

struct TestRequest : IoRequest {
  explicit TestRequest(File& target, IoOp operation = IoOp::kRead) {
    op = operation;
    file = &target;
    on_complete = [](IoRequest& self) { ++static_cast<TestRequest&>(self).completions; };
  }
  /// Reads into the start of `buffer`.
  TestRequest(File& target, std::uint64_t at, std::size_t bytes, const PooledBuffer& buffer)
      : TestRequest(target) {
    offset = at;
    length = bytes;
    data = buffer.data();
    buffer_index = buffer.registered_index();
  }
  int completions = 0;
};

/// Bytes that differ from their neighbours and from those of other seeds.
inline std::vector<std::byte> pattern(std::size_t bytes, std::uint64_t seed = 1) {
  std::vector<std::byte> content(bytes);
  SeededRandom(seed).fill(content);
  return content;
}

inline Result<void> write_bytes(File& file, std::uint64_t offset, std::vector<std::byte> bytes) {
  iovec part{bytes.data(), bytes.size()};
  return file.write_at(offset, {&part, 1});
}

inline std::vector<std::byte> read_bytes(const File& file, std::uint64_t offset,
                                         std::size_t length) {
  std::vector<std::byte> bytes(length);
  bytes.resize(file.read_at(offset, bytes).value());
  return bytes;
}

inline std::unique_ptr<File> create_file(Storage& storage, std::string_view path,
                                         const std::vector<std::byte>& content = {}) {
  auto file = storage.open(path, OpenMode::kCreate).value();
  write_bytes(*file, 0, content).value();
  return file;
}

}  // namespace kachel::io
