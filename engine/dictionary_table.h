// The dictionaries in use: those that segments have, and for each tenant the one that its new
// values are compressed with. Knows what they were trained on: when that dies, they have to go, and
// the segments that have them with them. Thread-safe; a look costs one atomic load while there are
// none.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <shared_mutex>
#include <vector>

#include "engine/dictionary.h"
#include "engine/index.h"

namespace kachel {

class SegmentTable;

class DictionaryTable {
 public:
  /// From here on deaths of what it was trained on are noted.
  void add(Dictionary::Pointer dictionary);
  /// The tenant's new values are compressed with it, if it has been added.
  void elect(const Dictionary::Pointer& dictionary);
  /// Nothing new of the tenant is compressed with a dictionary.
  void depose(std::uint32_t tenant);
  /// Those that neither a segment nor a tenant has any more are forgotten.
  void forget_unused();

  /// Of any.
  bool is_sample(const Mac& mac, std::uint64_t version) const;
  Dictionary::Pointer current(std::uint32_t tenant) const;
  std::vector<Dictionary::Pointer> all() const;
  std::uint64_t memory_bytes() const;

  /// Something has died that must be gone by then: this version of the key; all that the fence
  /// covers. Dictionaries that were trained on it must be gone as well, and the segments that have
  /// them are due. Log thread, or a start.
  void note_death(const Mac& mac, std::uint64_t version, std::int64_t due_ms,
                  const SegmentTable& segments);
  void note_fence(const Fence& fence, std::int64_t due_ms, const SegmentTable& segments);
  /// This dictionary must be gone by then.
  static void note_due(const Dictionary::Pointer& dictionary, std::int64_t due_ms,
                       const SegmentTable& segments);

 private:
  template <typename Predicate>
  void note_due_if(Predicate was_trained_on_it, std::int64_t due_ms, const SegmentTable& segments);

  std::atomic<bool> any_{false};
  mutable std::shared_mutex mutex_;
  std::map<std::uint64_t, Dictionary::Pointer> dictionaries_;  // by id
  std::map<std::uint32_t, Dictionary::Pointer> current_;       // by tenant
};

/// Whether parts of a value that the fence covers may be in the dictionary.
bool may_hold(const Dictionary& dictionary, const Fence& fence);

}  // namespace kachel
