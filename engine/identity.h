// Who the store is: lock, superblock and key file; created or checked at open, and the
// superblock kept up to date while running. Blocking; start-up and the log thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/format/superblock.h"
#include "io/clock.h"
#include "io/random.h"
#include "io/storage.h"

namespace kachel {

class Identity {
 public:
  /// Takes the lock first, so that nothing is read or made while another daemon runs.
  static Result<std::unique_ptr<Identity>> open(io::Storage& storage, const io::Clock& clock,
                                                io::Random& random, bool create_if_missing);

  const format::StoreId& store_id() const { return superblock_.store_id; }
  const MacKey& mac_key() const { return key_.mac_key; }
  bool created() const { return created_; }

  /// As found at open.
  format::StoreState state() const { return superblock_.state; }
  std::string boot_id() const;
  std::uint64_t sequence_limit() const { return superblock_.sequence_limit; }
  std::uint64_t segment_id_limit() const { return superblock_.segment_id_limit; }
  std::int64_t highest_wall_ms() const { return superblock_.highest_wall_ms; }
  /// Of a copy that does not know what was erased since: format::Superblock.
  std::uint64_t doubtful_through() const { return superblock_.doubtful_through; }
  std::int64_t copied_ms() const { return superblock_.copied_ms; }

  /// Marks the store as in use on this boot of the host, numbers starting at these.
  Result<void> begin(const std::string& boot_id, bool relaxed, std::uint64_t next_sequence,
                     std::uint64_t next_segment_id, std::int64_t wall_ms);
  /// Raises the limits on disk before the numbers in use come near, and keeps the wall clock
  /// there within a minute. Any thread.
  Result<void> keep_ahead(std::uint64_t sequence, std::uint64_t segment_id, std::int64_t wall_ms);
  /// Nothing is doubtful any more. Any thread.
  Result<void> end_doubt();
  /// For a copy of the store as it was when its records ended with `through`: the file `superblock`
  /// of a store that was stopped then in order, and has it all in doubt.
  std::vector<std::byte> superblock_of_copy(std::uint64_t through, std::uint64_t next_segment_id,
                                            std::int64_t wall_ms);
  /// The file `key`.
  std::vector<std::byte> key_file() const;
  /// Marks the store as stopped in order.
  Result<void> end(std::uint64_t next_sequence, std::uint64_t next_segment_id,
                   std::int64_t wall_ms);

 private:
  explicit Identity(io::Storage& storage) : storage_(storage) {}
  Result<void> create(const io::Clock& clock, io::Random& random);
  Result<void> load();
  Result<void> write();
  Result<void> write_copy(std::uint64_t copy);

  io::Storage& storage_;
  std::unique_ptr<io::DirectoryLock> lock_;
  std::unique_ptr<io::File> file_;
  std::mutex mutex_;  // over superblock_ and its file, once the store is open
  format::Superblock superblock_;
  std::uint64_t whole_copy_ = 0;  // 0 or 1: a copy on disk that is whole and the newest
  bool is_written_ = true;        // superblock_ is on disk as it is here
  format::KeyFile key_;
  bool created_ = false;
};

/// 32 hexadecimal digits to 16 bytes; anything else is hashed down by folding.
std::array<std::byte, 16> boot_id_bytes(const std::string& boot_id);

}  // namespace kachel
