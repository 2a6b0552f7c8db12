// The header for programs that embed Kachel: a store in a directory, with its threads, behind
// blocking calls. Servers and others with loops of their own use Store and Worker directly
// (engine/store.h, included here); both may be used on one store at once.
//
//   auto cache = kachel::LocalStore::open("/var/cache/answers", {});
//   if (!cache) return report(cache.error().message);
//   (*cache)->put("key", "value");
//   auto found = (*cache)->get("key");   // Result<std::optional<Found>>
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include "engine/store.h"

namespace kachel {

/// Thread-safe. Every call blocks its thread until it is answered.
class LocalStore {
 public:
  /// Opens the store in `directory`, creating both when there is none. Errors: as Store::open.
  static Result<std::unique_ptr<LocalStore>> open(const std::filesystem::path& directory,
                                                  const Options& options);
  /// Closes in order.
  ~LocalStore();
  LocalStore(const LocalStore&) = delete;
  LocalStore& operator=(const LocalStore&) = delete;

  Result<std::optional<Found>> get(std::string_view key, Namespace space = {});
  Result<PutOutcome> put(std::string_view key, std::string_view value, PutOptions options = {},
                         Namespace space = {});
  /// Durable when it returns.
  Result<EraseOutcome> erase(std::string_view key, Namespace space = {});

  /// For everything else; valid as long as this.
  Store& store();
  /// Ends early what the destructor would; nothing may be called afterwards.
  Result<void> close();

 private:
  struct State;
  explicit LocalStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The host's boot, as 32 hexadecimal digits: Environment::boot_id.
std::string host_boot_id();

}  // namespace kachel
