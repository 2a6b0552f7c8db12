// Looks into everything that is given back to the heap, in all threads, for texts that should not
// lie in it. One at a time.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string_view>

namespace kachel {

class FreedMemory {
 public:
  /// The texts are static, and the test itself frees none of them.
  explicit FreedMemory(std::initializer_list<std::string_view> texts);
  ~FreedMemory();
  FreedMemory(const FreedMemory&) = delete;
  FreedMemory& operator=(const FreedMemory&) = delete;

  /// Blocks that were freed since with one of the texts in them.
  std::size_t found() const;
};

}  // namespace kachel
