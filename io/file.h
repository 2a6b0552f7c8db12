// Files and the queue that reads and writes them.
//
// A File is a shared, thread-safe handle. I/O is submitted to an IoQueue, which belongs
// to one thread (worker thread only). A request is owned by the caller, travels with its
// buffers, and must stay alive until its completion has been called.
//
// Completion contract, the same for every implementation (tests/contract):
//   * exactly one completion a request, on the queue's thread, never inside submit();
//   * a write completes with all its bytes or with an error: short writes are finished;
//   * a read completes with all its bytes, or fewer only at the end of the file;
//   * a sync covers every write to the file that completed before the sync was submitted;
//   * requests in flight together are unordered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <sys/uio.h>

#include "io/error.h"

namespace kachel::io {

/// Offsets, lengths and addresses of direct reads are multiples of this many bytes.
inline constexpr std::size_t kBlockBytes = 4096;
constexpr std::uint64_t round_down_to_block(std::uint64_t bytes) {
  return bytes / kBlockBytes * kBlockBytes;
}
constexpr std::uint64_t round_up_to_block(std::uint64_t bytes) {
  return round_down_to_block(bytes + kBlockBytes - 1);
}
/// One device I/O is never larger; larger requests are split by the queue.
inline constexpr std::size_t kMaxIoBytes = std::size_t{512} * 1024;

class File {
 public:
  virtual ~File() = default;
  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // Blocking calls: start-up, the log thread and the blocking pool only.
  virtual Result<std::uint64_t> size() const = 0;
  /// Reserves blocks up to `bytes` without changing the size; kNoSpace when it can't.
  virtual Result<void> reserve(std::uint64_t bytes) = 0;
  /// Cuts the file and gives back blocks reserved beyond `bytes`.
  virtual Result<void> truncate(std::uint64_t bytes) = 0;
  /// Blocking read through the page cache; fewer bytes only at the end of the file.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const = 0;
  /// Blocking write of all the bytes through the page cache. `parts` may be altered.
  virtual Result<void> write_at(std::uint64_t offset, std::span<iovec> parts) = 0;
  /// Blocking fdatasync: data, and what metadata is needed to read it back.
  virtual Result<void> sync() = 0;
  /// Hint: this range will be read through the page cache soon. Doesn't wait for the device.
  virtual void prefetch(std::uint64_t offset, std::uint64_t length) const = 0;
  /// Hint: the pages of this range will not be read through the page cache again.
  virtual void drop_cache(std::uint64_t offset, std::uint64_t length) = 0;
};

enum class IoOp : std::uint8_t {
  kRead,  // direct: offset, length and address in multiples of kBlockBytes
  kSync,  // fdatasync
};

struct IoRequest {
  IoOp op = IoOp::kRead;
  File* file = nullptr;       // must outlive the request
  std::uint64_t offset = 0;   // bytes
  std::byte* data = nullptr;  // kRead: destination
  std::size_t length = 0;     // kRead: bytes wanted
  int buffer_index = -1;      // registered buffer that `data` lies in, -1: none

  std::size_t transferred = 0;  // out: bytes read
  int error = 0;                // out: errno, 0 on success

  void (*on_complete)(IoRequest&) = nullptr;
  void* context = nullptr;  // for on_complete

  // For the queue's own book-keeping while in flight.
  IoRequest* next = nullptr;
  int queue_slot = -1;
};

/// What a queue has done since it was made. Counts of device I/Os and bytes.
struct IoCounters {
  std::uint64_t reads = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t syncs = 0;
  std::uint64_t errors = 0;
  std::uint64_t in_flight = 0;  // now: submitted and not yet completed
  std::uint64_t depth = 0;      // of those, how many may be with the system at once; 0: no bound
};

/// A block-aligned buffer that goes back to its pool when destroyed (on the pool's thread). As
/// many bytes as were asked for are zeroed then: a read fills no more.
class BufferPool;
class PooledBuffer {
 public:
  PooledBuffer() = default;
  PooledBuffer(BufferPool* pool, std::byte* data, std::size_t size, std::size_t asked, int index)
      : pool_(pool), data_(data), size_(size), asked_(asked), index_(index) {}
  PooledBuffer(PooledBuffer&& other) noexcept { *this = std::move(other); }
  PooledBuffer& operator=(PooledBuffer&& other) noexcept;
  PooledBuffer(const PooledBuffer&) = delete;
  PooledBuffer& operator=(const PooledBuffer&) = delete;
  ~PooledBuffer() { release(); }

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  /// Index for IoRequest::buffer_index, -1 when the memory is not registered.
  int registered_index() const { return index_; }
  explicit operator bool() const { return data_ != nullptr; }
  void release();

 private:
  BufferPool* pool_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t asked_ = 0;
  int index_ = -1;
};

/// Thread-bound I/O queue. Every call on the owning thread only.
class IoQueue {
 public:
  virtual ~IoQueue() = default;
  /// Queues the request; it reaches the kernel at the end of this turn of the loop.
  /// Past the queue's depth it waits inside (the caller bounds what it submits).
  virtual void submit(IoRequest& request) = 0;
  /// Hands what is queued to the kernel. The loop calls it once per turn.
  virtual void flush() = 0;
  /// Requests submitted and not yet completed.
  virtual std::size_t in_flight() const = 0;
  /// A buffer of at least `bytes` bytes, block-aligned, from the pool if one fits.
  virtual PooledBuffer acquire_buffer(std::size_t bytes) = 0;
  virtual IoCounters counters() const = 0;  // any thread
};

}  // namespace kachel::io
