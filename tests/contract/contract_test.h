// The fixture of the contract suite: one Backend, and short ways to use it.
#pragma once

#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "backend.h"
#include "test_request.h"

namespace kachel::io {

class ContractTest : public ::testing::TestWithParam<BackendCase> {
 protected:
  void SetUp() override {
    backend_ = GetParam().make();
    if (backend_ == nullptr) GTEST_SKIP() << "not available on this machine";
  }

  Storage& storage() { return backend_->storage(); }
  IoQueue& queue() { return backend_->queue(); }
  void drive() { backend_->drive(); }

  std::unique_ptr<File> create(std::string_view path, const std::vector<std::byte>& content = {}) {
    return create_file(storage(), path, content);
  }
  /// Reads through the queue into a buffer of its own.
  struct Read {
    int error = 0;
    std::vector<std::byte> bytes;
  };
  Read read(File& file, std::uint64_t offset, std::size_t length);

  std::unique_ptr<Backend> backend_;
};

}  // namespace kachel::io
