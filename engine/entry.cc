#include "engine/entry.h"

#include <cstring>
#include <memory>
#include <new>

#include "engine/malloc_bytes.h"

namespace kachel {
namespace {

// Bytes a string keeps outside itself.
std::size_t heap_bytes(const std::string& text) {
  static const std::size_t inline_capacity = std::string().capacity();
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
  // What is freed may lie in memory for long: what has been erased shall not.
  ::explicit_bzero(entry->bytes(), entry->value_bytes_);
  for (std::string& subject : entry->metadata.subjects)
    ::explicit_bzero(subject.data(), subject.size());
  entry->~Entry();
  ::operator delete(entry);
}

std::size_t Entry::footprint_bytes() const {
  std::size_t bytes = malloc_bytes(sizeof(Entry) + value_bytes_) + heap_bytes(metadata.model);
  if (metadata.subjects.capacity() > 0) {
    bytes += malloc_bytes(metadata.subjects.capacity() * sizeof(std::string));
  }
  for (const std::string& subject : metadata.subjects)
    bytes += heap_bytes(subject);
  return bytes;
}

}  // namespace kachel
