// Which file sits in which slot of a ring's table of registered files. Pure book-keeping:
// the ring makes the system calls. Ring thread only.
//
// A file takes a slot when first read and keeps it until it closes, or until it is the least
// recently read one without an I/O in flight and another needs the slot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

namespace kachel::io {

class FileSlots {
 public:
  explicit FileSlots(std::size_t slots);

  /// The slot of a file that has one, marked as used now.
  std::optional<std::size_t> find(std::uint64_t file_id);
  /// Gives the file a slot, evicting another's if need be. Empty when every slot is busy.
  std::optional<std::size_t> assign(std::uint64_t file_id);
  /// Takes the file's slot away; empty when it had none. The file has no I/O in flight.
  std::optional<std::size_t> release(std::uint64_t file_id);

  /// A slot with I/Os in flight is not evicted.
  void begin_io(std::size_t slot) { ++slots_[slot].in_flight; }
  void end_io(std::size_t slot) { --slots_[slot].in_flight; }

 private:
  struct Slot {
    std::uint64_t file_id = 0;  // 0: empty
    std::uint64_t last_used = 0;
    std::uint32_t in_flight = 0;
  };
  std::optional<std::size_t> least_recently_used() const;

  std::vector<Slot> slots_;
  std::vector<std::size_t> free_;
  std::unordered_map<std::uint64_t, std::size_t> by_id_;
  std::uint64_t uses_ = 0;
};

}  // namespace kachel::io
