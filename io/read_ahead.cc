#include "io/read_ahead.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "io/uring_queue.h"

namespace kachel::io {

ReadAhead::ReadAhead() {
  UringQueueOptions options;
  options.queue_depth = 4 * kAheadBlocks;
  options.registered_buffers = 0;
  options.file_slots = 8;
  auto queue = UringQueue::create(options);
  if (!queue) return;
  queue_ = std::move(*queue);
  for (Block& block : blocks_)
    block.buffer = queue_->acquire_buffer(kAheadBlockBytes);
}

ReadAhead::~ReadAhead() {
  close();
}

void ReadAhead::open(File& file, std::uint64_t begin, std::uint64_t end) {
  close();
  file_ = &file;
  end_ = end;
  first_ = next_ = begin / kAheadBlockBytes;
  if (!queue_) return;
  submit_through(first_ + kAheadBlocks);
  queue_->flush();
}

void ReadAhead::close() {
  if (queue_) run_until_idle(*queue_);
  file_ = nullptr;
}

void ReadAhead::submit_through(std::uint64_t number) {
  for (; next_ < number && next_ * kAheadBlockBytes < end_; ++next_) {
    Block& block = slot(next_);
    block.request = {};
    block.request.op = IoOp::kRead;
    block.request.file = file_;
    block.request.offset = next_ * kAheadBlockBytes;
    block.request.data = block.buffer.data();
    block.request.length = kAheadBlockBytes;
    block.request.context = &block;
    block.request.on_complete = [](IoRequest& request) {
      static_cast<Block*>(request.context)->is_done = true;
    };
    block.is_done = false;
    queue_->submit(block.request);
  }
}

void ReadAhead::wait_for(const Block& block) {
  run_until(*queue_, [&] { return block.is_done; });
}

Result<std::size_t> ReadAhead::read_at(std::uint64_t offset, std::span<std::byte> out) {
  if (!queue_) return file_->read_at(offset, out);
  std::size_t done = 0;
  while (done < out.size() && offset + done < end_) {
    const std::uint64_t at = offset + done;
    const std::uint64_t number = at / kAheadBlockBytes;
    if (number < first_ || number >= next_) {
      run_until_idle(*queue_);
      first_ = next_ = number;
    }
    // A block that is passed is one that was waited for, or is so now: its slot is the next one's.
    for (; first_ < number; ++first_)
      wait_for(slot(first_));
    submit_through(number + kAheadBlocks);
    queue_->flush();
    const Block& block = slot(number);
    wait_for(block);
    if (block.request.error != 0) {
      return os_error(block.request.error, "reading ahead");
    }
    const auto start = static_cast<std::size_t>(at - number * kAheadBlockBytes);
    if (start >= block.request.transferred) break;  // the file ends here
    const std::size_t count = std::min(out.size() - done, block.request.transferred - start);
    std::memcpy(out.data() + done, block.buffer.data() + start, count);
    done += count;
    if (block.request.transferred < kAheadBlockBytes && start + count == block.request.transferred)
      break;
  }
  return done;
}

}  // namespace kachel::io
