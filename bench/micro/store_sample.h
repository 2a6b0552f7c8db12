// A store in a directory of its own, and a worker that puts many entries at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/kachel.h"
#include "io/asio_loop.h"
#include "tests/contract/temp_directory.h"

namespace kachel::micro {

class StoreSample {
 public:
  explicit StoreSample(const Options& options);
  ~StoreSample();
  StoreSample(const StoreSample&) = delete;
  StoreSample& operator=(const StoreSample&) = delete;

  /// Puts sample_key(first) and so on, each with one of the values, and waits until all are stored
  /// as the store's durability says. Throws when one is not.
  void put(std::uint64_t first, std::size_t count, const std::vector<std::string>& values);

  Store& store() { return store_->store(); }
  std::filesystem::path path() const { return directory_.path() / "data"; }
  /// In order.
  void close();

 private:
  void run(const std::function<void(UniqueFunction<void()> done)>& task);
  void put_batch(std::uint64_t first, std::size_t count, const std::vector<std::string>& values);
  void wait_for_room();

  io::TempDirectory directory_;
  std::unique_ptr<LocalStore> store_;
  io::AsioLoop loop_;
  std::thread thread_;
  std::unique_ptr<Worker> worker_;  // on the loop's thread
};

/// For benchmarks: nothing is trained on what they put, which would take a processor's time at
/// moments of its own.
Options sample_options(Durability durability);

}  // namespace kachel::micro
