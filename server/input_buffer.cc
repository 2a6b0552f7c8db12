#include "server/input_buffer.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <sys/mman.h>

#include "engine/format/bytes.h"
#include "io/zeroizing.h"

namespace kachel::server {
namespace {

constexpr std::size_t kFirstBytes = 16 * 1024;
// From here on the memory is pages of its own, which the kernel zeroes for whoever gets them next.
constexpr std::size_t kMappedBytes = 256 * 1024;
constexpr std::size_t kPageBytes = 4096;

char* checked(void* mapping) {
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  return static_cast<char*>(mapping);
}

char* allocate(std::size_t bytes) {
  if (bytes < kMappedBytes) return new char[bytes];  // not zeroed
  return checked(
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

}  // namespace

bool InputBuffer::is_mapped() const {
  return capacity_ >= kMappedBytes;
}

void InputBuffer::consume(std::size_t bytes) {
  if (bytes == size()) return release();
  zeroize(data_ + begin_, bytes);
  begin_ += bytes;
}

void InputBuffer::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::span<char> room = space(0);
    const std::size_t part = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), part);
    commit(part);
    bytes.remove_prefix(part);
  }
}

void InputBuffer::release() {
  if (is_mapped()) {
    ::munmap(data_, capacity_);
  } else if (data_ != nullptr) {
    zeroize(data_ + begin_, size());
    delete[] data_;
  }
  data_ = nullptr;
  begin_ = end_ = capacity_ = 0;
}

void InputBuffer::make_room(std::size_t wanted) {
  std::size_t target = std::max(kFirstBytes, size() * 2);
  // Never by little: of a request with many arguments only the next one's end is known.
  if (wanted > size()) {
    target = std::min(target, std::max(wanted + kFirstBytes, size() + size() / 4));
  }
  target = std::max(target, size() + kMinSpaceBytes);
  if (target >= kMappedBytes) target = format::align_up(target, kPageBytes);
  if (is_mapped() && begin_ == 0 && target >= capacity_) {
    data_ = checked(::mremap(data_, capacity_, target, MREMAP_MAYMOVE));
    capacity_ = target;
    return;
  }
  char* const fresh = allocate(target);
  const std::size_t used = size();
  if (used != 0) std::memcpy(fresh, data_ + begin_, used);
  release();
  data_ = fresh;
  end_ = used;
  capacity_ = target;
}

}  // namespace kachel::server
