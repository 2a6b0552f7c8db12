// A store made of a snapshot, and what it learns from the living one: as `kachel restore` and
// `kachel catch-up` do it, for worlds of any kind (`store`, `storage` or `disk`, settle(),
// log_loop()).
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "engine/store.h"
#include "io/storage.h"

namespace kachel::sim {

/// All files below `directory`, synced.
inline void copy_below(io::Storage& from, const std::string& directory, io::Storage& to,
                       const std::string& target) {
  for (const std::string& name : from.list(directory).value()) {
    const std::string source = directory + '/' + name;
    const std::string copy = target.empty() ? name : target + '/' + name;
    if (from.list(source)) {
      to.create_directory(copy).value();
      copy_below(from, source, to, copy);
      continue;
    }
    const auto original = from.open(source, io::OpenMode::kRead).value();
    std::string bytes(original->size().value(), '\0');
    (void)original->read_at(0, std::as_writable_bytes(std::span(bytes)));
    auto file = to.open(copy, io::OpenMode::kCreate).value();
    iovec part{bytes.data(), bytes.size()};
    file->write_at(0, std::span(&part, 1)).value();
    file->sync().value();
  }
  to.sync_directory(target).value();
}

template <typename Copy>
Result<void> end_doubt(Copy& copy, DoubtEnd end) {
  std::optional<Result<void>> ended;
  copy.store->copies().end_doubt(std::move(end), copy.log_loop(),
                                 [&](Result<void> done) { ended = std::move(done); });
  copy.settle([&] { return ended.has_value(); });
  return *ended;
}

/// Page by page of so many entries; how many of the copy's it erased.
template <typename Living, typename Copy>
Result<std::uint64_t> confirm_all(Living& living, Copy& copy, std::size_t page) {
  std::uint64_t erased = 0;
  for (const Namespace space : copy.store->copies().namespaces()) {
    for (std::optional<Mac> from = Mac{}; from;) {
      std::optional<Result<AlivePage>> alive;
      living.store->copies().list_alive(space, *from, page, living.log_loop(),
                                        [&](auto done) { alive = std::move(done); });
      living.settle([&] { return alive.has_value(); });
      if (!*alive) return alive->error();
      AlivePage got = std::move(**alive);
      std::optional<Result<std::uint64_t>> confirmed;
      copy.store->copies().confirm_alive({space, *from, got.next}, std::move(got.entries),
                                         copy.log_loop(),
                                         [&](auto done) { confirmed = std::move(done); });
      copy.settle([&] { return confirmed.has_value(); });
      if (!*confirmed) return *confirmed;
      erased += **confirmed;
      from = got.next;
    }
  }
  return erased;
}

/// The copy serves what it has for so long, having been told what is alive.
template <typename Copy>
Result<void> follow(Copy& copy, std::chrono::milliseconds lease) {
  std::optional<Result<void>> told;
  copy.store->copies().follow("the living", lease, copy.log_loop(),
                              [&](Result<void> done) { told = std::move(done); });
  copy.settle([&] { return told.has_value(); });
  return *told;
}

template <typename Living, typename Copy>
Result<std::uint64_t> catch_up(Living& living, Copy& copy, std::size_t page) {
  const auto erased = confirm_all(living, copy, page);
  if (!erased) return erased;
  if (auto ended = end_doubt(copy, {"the living", 1, *erased, ""}); !ended) return ended.error();
  return erased;
}

}  // namespace kachel::sim
