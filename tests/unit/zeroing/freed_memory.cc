#include "tests/unit/zeroing/freed_memory.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <new>

namespace kachel {
namespace {

std::array<std::string_view, 8> watched;
std::atomic<std::size_t> watching{0};  // of `watched`
std::atomic<std::size_t> hits{0};

void look_into(const void* memory) {
  const std::size_t texts = watching.load(std::memory_order_acquire);
  if (texts == 0 || memory == nullptr) return;
  const std::size_t bytes = ::malloc_usable_size(const_cast<void*>(memory));
  for (std::size_t i = 0; i < texts; ++i) {
    if (::memmem(memory, bytes, watched[i].data(), watched[i].size()) == nullptr) continue;
    hits.fetch_add(1);
    return;
  }
}

void give_back(void* memory) noexcept {
  look_into(memory);
  std::free(memory);
}

void* take(std::size_t bytes) {
  void* memory = std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void* take(std::size_t bytes, std::align_val_t alignment) {
  const auto step = static_cast<std::size_t>(alignment);
  void* memory = std::aligned_alloc(step, (bytes + step - 1) / step * step);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

FreedMemory::FreedMemory(std::initializer_list<std::string_view> texts) {
  std::size_t count = 0;
  for (const std::string_view text : texts)
    watched[count++] = text;
  hits = 0;
  watching.store(count, std::memory_order_release);
}

FreedMemory::~FreedMemory() {
  watching = 0;
}

std::size_t FreedMemory::found() const {
  return hits;
}

}  // namespace kachel

void* operator new(std::size_t bytes) {
  return kachel::take(bytes);
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return std::malloc(bytes);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return kachel::take(bytes, alignment);
}
void operator delete(void* memory) noexcept {
  kachel::give_back(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  kachel::give_back(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  kachel::give_back(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  kachel::give_back(memory);
}
