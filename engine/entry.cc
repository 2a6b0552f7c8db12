#include "engine/entry.h"

#include <cstring>
#include <memory>
#include <new>

#include "engine/malloc_bytes.h"
#include "io/zeroizing.h"

namespace kachel {
namespace {

// Bytes a string keeps outside itself.
template <typename Text>
std::size_t heap_bytes(const Text& text) {
  static const std::size_t inline_capacity = Text().capacity();
  return text.capacity() <= inline_capacity ? 0 : malloc_bytes(text.capacity() + 1);
}

}  // namespace

Entry::Pointer Entry::make(std::size_t value_bytes) {
  void* memory = ::operator new(sizeof(Entry) + value_bytes);
  return Pointer(::new (memory) Entry(value_bytes));
}

Entry::Pointer Entry::make(std::string_view value) {
  Pointer entry = make(value.size());
  if (!value.empty()) std::memcpy(entry->bytes(), value.data(), value.size());
  return entry;
}

void Entry::destroy(Entry* entry) noexcept {
  zeroize(entry->bytes(), entry->value_bytes_);
  entry->~Entry();
  ::operator delete(entry);
}

std::size_t Entry::footprint_bytes() const {
  std::size_t bytes = malloc_bytes(sizeof(Entry) + value_bytes_) + heap_bytes(metadata.model);
  if (metadata.subjects.capacity() > 0) {
    bytes += malloc_bytes(metadata.subjects.capacity() * sizeof(ZeroizingString));
  }
  for (const ZeroizingString& subject : metadata.subjects)
    bytes += heap_bytes(subject);
  return bytes;
}

}  // namespace kachel
