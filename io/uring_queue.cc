#include "io/uring_queue.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <liburing.h>
#include <optional>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/buffer_pool.h"
#include "io/check.h"
#include "io/closed_files.h"
#include "io/file_slots.h"
#include "io/io_request.h"
#include "io/posix_file.h"

namespace kachel::io {

namespace {

constexpr std::size_t kReapBatch = 64;
// Of submitted requests: with so many the kernel is told before the turn is over, or the device
// would rest while a long turn goes on, and whoever waits for it afterwards.
constexpr unsigned kMostHeldBack = 8;

/// From the best the kernel may offer to what it has had since 5.6.
constexpr std::array<unsigned, 3> kSetupFlags = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, 0};

int init_ring(io_uring& ring, unsigned entries) {
  int result = -EINVAL;
  for (const unsigned flags : kSetupFlags) {
    result = io_uring_queue_init(entries, &ring, flags);
    if (result != -EINVAL) return result;  // EINVAL: a flag is unknown
  }
  return result;
}

bool has_needed_operations(io_uring& ring) {
  io_uring_probe* probe = io_uring_get_probe_ring(&ring);
  if (probe == nullptr) return false;
  const bool has = io_uring_opcode_supported(probe, IORING_OP_READ) != 0 &&
                   io_uring_opcode_supported(probe, IORING_OP_READ_FIXED) != 0 &&
                   io_uring_opcode_supported(probe, IORING_OP_FSYNC) != 0;
  io_uring_free_probe(probe);
  return has;
}

}  // namespace

struct UringQueue::State {
  explicit State(const UringQueueOptions& options)
      : depth(std::max(options.queue_depth, 1U)),
        buffers(options.registered_buffers, options.registered_buffer_bytes),
        slots(options.file_slots) {}
  ~State();
  Result<void> open(const UringQueueOptions& options);

  // Towards the kernel.
  void start_queued();
  void prepare(IoRequest& request);
  void prepare_read(io_uring_sqe* sqe, IoRequest& request);
  int slot_of(PosixFile& file);
  void submit_prepared();
  void release_closed_files();

  // And back.
  std::size_t reap_cqes();
  void handle(IoRequest& request, int result);
  bool is_unfinished(IoRequest& request, int result);
  void complete(IoRequest& request);

  const unsigned depth;
  io_uring ring{};
  bool ring_open = false;
  int wake_fd = -1;
  BufferPool buffers;
  std::string unregistered_reason;
  FileSlots slots;
  bool slots_registered = false;
  std::shared_ptr<ClosedFiles> closed;  // shared with the files that the ring has registered

  RequestList queued;                     // waiting for room in the kernel's queue
  unsigned not_handed_in = 0;             // submitted since the kernel was told of any
  RequestList done;                       // finished without the kernel, waiting for reap()
  unsigned with_kernel = 0;               // prepared or submitted, not reaped; <= depth
  std::atomic<std::size_t> in_flight{0};  // written by the owning thread
  void count_in_flight(std::size_t now) { in_flight.store(now, std::memory_order_relaxed); }
  AtomicIoCounters counters;
};

UringQueue::State::~State() {
  if (closed != nullptr) closed->detach();
  if (ring_open) io_uring_queue_exit(&ring);
  if (wake_fd >= 0) ::close(wake_fd);
}

Result<void> UringQueue::State::open(const UringQueueOptions& options) {
  if (const int result = init_ring(ring, depth); result < 0) {
    return os_error(-result, "io_uring is not available here");
  }
  ring_open = true;
  if (!has_needed_operations(ring)) {
    return Error{ErrorCode::kUnsupported, "io_uring of this kernel is too old (before 5.6)"};
  }
  wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) return os_error(errno, "making an eventfd for io_uring");
  if (const int result = io_uring_register_eventfd(&ring, wake_fd); result < 0) {
    return os_error(-result, "registering an eventfd with io_uring");
  }
  closed = std::make_shared<ClosedFiles>(wake_fd);

  // The rest makes reads cheaper and may be refused.
  slots_registered =
      options.file_slots > 0 && io_uring_register_files_sparse(&ring, options.file_slots) == 0;
  const std::vector<iovec> regions = buffers.regions();
  if (!regions.empty()) {
    const int result =
        io_uring_register_buffers(&ring, regions.data(), static_cast<unsigned>(regions.size()));
    if (result == 0) {
      buffers.set_registered();
    } else {
      unregistered_reason =
          os_error(-result, "registering read buffers (is RLIMIT_MEMLOCK too low?)").message;
    }
  }
  io_uring_cq_eventfd_toggle(&ring, false);
  return {};
}

void UringQueue::State::start_queued() {
  while (with_kernel < depth) {
    IoRequest* request = queued.pop_front();
    if (request == nullptr) return;
    prepare(*request);
  }
}

void UringQueue::State::prepare(IoRequest& request) {
  PosixFile* file = as_posix_file(*request.file);
  if (file == nullptr || (request.op == IoOp::kRead && !is_aligned(request)) ||
      (request.op == IoOp::kRead && request.length == 0)) {
    execute(request, counters);
    done.push_back(request);
    return;
  }
  // There is room: as many entries as `depth`, of which at most with_kernel are taken.
  io_uring_sqe* sqe = io_uring_get_sqe(&ring);
  KACHEL_CHECK(sqe != nullptr, "the submission ring is smaller than the queue depth");
  if (request.op == IoOp::kSync) {
    io_uring_prep_fsync(sqe, file->buffered_fd(), IORING_FSYNC_DATASYNC);
  } else {
    prepare_read(sqe, request);
  }
  io_uring_sqe_set_data(sqe, &request);
  ++with_kernel;
}

void UringQueue::State::prepare_read(io_uring_sqe* sqe, IoRequest& request) {
  auto& file = static_cast<PosixFile&>(*request.file);
  std::byte* target = request.data + request.transferred;
  const auto length =
      static_cast<unsigned>(std::min(request.length - request.transferred, kMaxIoBytes));
  const std::uint64_t offset = request.offset + request.transferred;
  const int slot = slot_of(file);
  const int fd = slot >= 0 ? slot : file.read_fd();
  if (buffers.registered() && buffers.contains(request.buffer_index, target, length)) {
    io_uring_prep_read_fixed(sqe, fd, target, length, offset, request.buffer_index);
  } else {
    io_uring_prep_read(sqe, fd, target, length, offset);
  }
  if (slot >= 0) {
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
    slots.begin_io(static_cast<std::size_t>(slot));
  }
  request.queue_slot = slot;
}

/// The file's slot, given to it now if it has none; -1: read it by its descriptor.
int UringQueue::State::slot_of(PosixFile& file) {
  if (!slots_registered) return -1;
  if (const auto known = slots.find(file.id())) return static_cast<int>(*known);
  const auto slot = slots.assign(file.id());
  if (!slot) return -1;
  int fd = file.read_fd();
  if (io_uring_register_files_update(&ring, static_cast<unsigned>(*slot), &fd, 1) != 1) {
    slots.release(file.id());
    return -1;
  }
  file.tell_when_closed(closed);
  return static_cast<int>(*slot);
}

void UringQueue::State::release_closed_files() {
  for (const std::uint64_t id : closed->take()) {
    const auto slot = slots.release(id);
    if (!slot) continue;  // evicted before
    int none = -1;
    io_uring_register_files_update(&ring, static_cast<unsigned>(*slot), &none, 1);
  }
}

void UringQueue::State::submit_prepared() {
  not_handed_in = 0;
  if (io_uring_sq_ready(&ring) == 0) return;
  const int result = io_uring_submit(&ring);
  // Refused for now: the entries stay in the ring, and prepare_to_wait() keeps the loop awake
  // until a later flush has handed them over.
  const bool refused = result == -EAGAIN || result == -EBUSY || result == -EINTR;
  KACHEL_CHECK(result >= 0 || refused, "io_uring_submit failed; is it the ring's own thread?");
}

std::size_t UringQueue::State::reap_cqes() {
  struct Reaped {
    IoRequest* request;
    int result;
  };
  std::size_t count = 0;
  for (;;) {
    std::array<io_uring_cqe*, kReapBatch> cqes{};
    std::array<Reaped, kReapBatch> reaped{};
    const unsigned got = io_uring_peek_batch_cqe(&ring, cqes.data(), kReapBatch);
    if (got == 0) return count;
    for (unsigned i = 0; i < got; ++i) {
      reaped[i] = {static_cast<IoRequest*>(io_uring_cqe_get_data(cqes[i])), cqes[i]->res};
    }
    io_uring_cq_advance(&ring, got);
    with_kernel -= got;
    count += got;
    for (unsigned i = 0; i < got; ++i)
      handle(*reaped[i].request, reaped[i].result);
  }
}

void UringQueue::State::handle(IoRequest& request, int result) {
  if (request.queue_slot >= 0) {
    slots.end_io(static_cast<std::size_t>(request.queue_slot));
    request.queue_slot = -1;
  }
  if (request.op == IoOp::kSync) {
    counters.count_sync();
  } else if (result >= 0) {
    counters.count_read(static_cast<std::uint64_t>(result));
  }
  if (is_unfinished(request, result)) {
    queued.push_front(request);
  } else {
    complete(request);
  }
}

/// Takes in the result of one I/O; true when the request needs another.
bool UringQueue::State::is_unfinished(IoRequest& request, int result) {
  if (result == -EAGAIN || result == -EINTR) return true;
  if (result < 0) {
    request.error = -result;
    return false;
  }
  if (request.op == IoOp::kSync || result == 0) return false;
  request.transferred += static_cast<std::size_t>(result);
  if (request.transferred >= request.length) return false;
  // A direct read that stopped inside a block has met the end of the file; the rest would
  // start unaligned and be refused.
  const bool direct = static_cast<const PosixFile&>(*request.file).is_direct();
  return !direct || request.transferred % kBlockBytes == 0;
}

void UringQueue::State::complete(IoRequest& request) {
  if (request.error != 0) counters.count_error();
  count_in_flight(in_flight - 1);
  request.on_complete(request);
}

Result<std::unique_ptr<UringQueue>> UringQueue::create(const UringQueueOptions& options) {
  auto state = std::make_unique<State>(options);
  if (auto opened = state->open(options); !opened) return opened.error();
  return std::unique_ptr<UringQueue>(new UringQueue(std::move(state)));
}

UringQueue::UringQueue(std::unique_ptr<State> state) : state_(std::move(state)) {}

UringQueue::~UringQueue() {
  run_until_idle(*this);
}

void UringQueue::submit(IoRequest& request) {
  request.transferred = 0;
  request.error = 0;
  request.queue_slot = -1;
  state_->queued.push_back(request);
  state_->count_in_flight(state_->in_flight + 1);
  if (++state_->not_handed_in < kMostHeldBack) return;
  state_->start_queued();
  state_->submit_prepared();
}

void UringQueue::flush() {
  state_->release_closed_files();
  state_->start_queued();
  state_->submit_prepared();
}

std::size_t UringQueue::in_flight() const {
  return state_->in_flight;
}

PooledBuffer UringQueue::acquire_buffer(std::size_t bytes) {
  return state_->buffers.acquire(bytes);
}

IoCounters UringQueue::counters() const {
  IoCounters counters = state_->counters.load();
  counters.in_flight = state_->in_flight.load(std::memory_order_relaxed);
  counters.depth = state_->depth;
  return counters;
}

int UringQueue::wake_fd() const {
  return state_->wake_fd;
}

std::size_t UringQueue::reap() {
  std::size_t count = 0;
  RequestList done = state_->done.take();
  while (IoRequest* request = done.pop_front()) {
    state_->count_in_flight(state_->in_flight - 1);
    ++count;
    request->on_complete(*request);
  }
  if (state_->with_kernel > 0) count += state_->reap_cqes();
  return count;
}

bool UringQueue::prepare_to_wait() {
  if (!state_->done.empty() || io_uring_sq_ready(&state_->ring) > 0) return false;
  if (!state_->queued.empty() && state_->with_kernel < state_->depth) return false;
  io_uring_cq_eventfd_toggle(&state_->ring, true);
  // The kernel adds a completion and then looks at the switch; here the switch is set and then
  // the ring looked at. With a full barrier between, one of the two sees the other.
  __sync_synchronize();
  io_uring_cqe* cqe = nullptr;
  return state_->with_kernel == 0 || io_uring_peek_cqe(&state_->ring, &cqe) != 0;
}

void UringQueue::end_wait() {
  io_uring_cq_eventfd_toggle(&state_->ring, false);
}

const std::string& UringQueue::unregistered_reason() const {
  return state_->unregistered_reason;
}

}  // namespace kachel::io
