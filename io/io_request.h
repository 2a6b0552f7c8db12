// What the queues have in common: checking a request, chaining requests, and carrying one
// out by blocking calls. Internal to io/.
#pragma once

#include <utility>

#include "io/file.h"
#include "io/io_counters.h"

namespace kachel::io {

/// Whether offset, length and address keep to kBlockBytes, as direct reads must. Every queue
/// refuses what doesn't (EINVAL), so that a mistake shows on any of them.
bool is_aligned(const IoRequest& request);

/// Carries the request out on this thread, by the direct descriptor of a PosixFile and by
/// File::read_at and File::sync of any other. Fills in `transferred` and `error`, counts, and
/// leaves on_complete to the caller.
void execute(IoRequest& request, AtomicIoCounters& counters);

/// The errno that stands for `error` in IoRequest::error; never 0.
int errno_of(const Error& error);

/// First in, first out; threaded through IoRequest::next, so it never allocates.
class RequestList {
 public:
  bool empty() const { return head_ == nullptr; }
  void push_back(IoRequest& request) {
    request.next = nullptr;
    (tail_ == nullptr ? head_ : tail_->next) = &request;
    tail_ = &request;
  }
  void push_front(IoRequest& request) {
    request.next = head_;
    head_ = &request;
    if (tail_ == nullptr) tail_ = &request;
  }
  IoRequest* pop_front() {
    IoRequest* first = head_;
    if (first == nullptr) return nullptr;
    head_ = std::exchange(first->next, nullptr);
    if (head_ == nullptr) tail_ = nullptr;
    return first;
  }
  RequestList take() { return std::exchange(*this, {}); }

 private:
  IoRequest* head_ = nullptr;
  IoRequest* tail_ = nullptr;
};

}  // namespace kachel::io
