#include "server/daemon.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fstream>
#include <malloc.h>
#include <memory>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <thread>

#include "engine/store.h"
#include "io/asio_loop.h"
#include "io/clock.h"
#include "io/posix_storage.h"
#include "io/random.h"
#include "io/thread_pool.h"
#include "io/units.h"
#include "server/accounts.h"
#include "server/device_probe.h"
#include "server/http/server.h"
#include "server/listener.h"
#include "server/log.h"
#include "server/policy_reload.h"
#include "server/pulse.h"
#include "server/server_state.h"
#include "server/service_manager.h"
#include "server/worker_thread.h"

namespace kachel::server {
namespace {

constexpr std::size_t kPoolThreads = 2;
constexpr unsigned kMaxDefaultThreads = 8;
// Few read the flash tier over HTTP: its ring is a small one.
constexpr unsigned kHttpQueueDepth = 64;
constexpr std::size_t kHttpBuffers = 8;
// Clients get this long to take their last replies; operations as long again to complete.
constexpr std::chrono::milliseconds kStopPatience{5000};
// What one request may hold beside its largest value: keys, options, further values.
constexpr std::size_t kRequestSlackBytes = std::size_t{32} << 20;

int report(const Error& error, std::string_view what) {
  fmt::print(stderr, "kacheld: {}{}\n", what, error.message);
  return exit_code_of(error.code);
}

unsigned default_threads() {
  // The log thread takes a core of its own under writes.
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  return std::clamp(cores - 1, 1u, kMaxDefaultThreads);
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// SIGTERM, SIGINT and SIGHUP wait for the main thread, whichever thread they hit.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  file >> id;
  std::erase(id, '-');
  // Without one every start counts as after a reboot: the cautious reading of the log.
  return id.size() == 32 ? id : std::string(32, '0');
}

std::string make_run_id(io::Random& random) {
  std::array<std::byte, 20> bytes{};
  random.fill(bytes);
  std::string id;
  for (const std::byte byte : bytes)
    id += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return id;
}

/// A loop on a thread of its own.
class LoopThread {
 public:
  explicit LoopThread(const io::AsioLoopOptions& options)
      : loop_(options), thread_([this] { loop_.run(); }) {}
  ~LoopThread() {
    loop_.stop();
    thread_.join();
  }
  io::AsioLoop& loop() { return loop_; }

 private:
  io::AsioLoop loop_;
  std::thread thread_;
};

void fill_state(ServerState& state, const Config& config, unsigned threads, std::uint16_t port,
                io::Random& random) {
  state.run_id = make_run_id(random);
  state.listen_host = config.listen_host;
  state.listen_port = port;
  state.data_directory = config.data;
  state.config_file = config.config_file;
  state.durability = config.options.durability;
  state.threads = threads;
  state.max_clients = config.max_clients;
  state.idle_timeout_s = config.idle_timeout_ms / 1000;
  state.started_ms = monotonic_ms();
  state.memory_bytes = config.options.memory_bytes;
  state.slow_log.set_slower_than_us(config.slower_than_ms * 1000);
  state.policy.publish(std::make_shared<const PolicySet>(config.policy));
  ParserLimits& parser = state.limits.parser;
  // A value beyond the engine's bound gets the engine's clear refusal, not a broken
  // connection, as long as it is not absurd.
  parser.max_bulk_bytes = config.options.max_value_bytes + kRequestSlackBytes;
  parser.max_request_bytes = 2 * config.options.max_value_bytes + 2 * kRequestSlackBytes;
  state.limits.output_hard_bytes =
      std::max(state.limits.output_hard_bytes, 2 * config.options.max_value_bytes);
  for (unsigned i = 0; i <= threads; ++i) {  // the last are the HTTP port's
    state.counters.push_back(std::make_unique<WorkerCounters>());
  }
}

void log_start(const Config& config, const Store& store, const WorkerThread& worker,
               unsigned threads) {
  const StartStats start = store.stats().start;
  spdlog::info("kacheld {} data={} durability={} memory={} capacity={} threads={}", KACHEL_VERSION,
               config.data, durability_name(config.options.durability),
               format_size(config.options.memory_bytes), format_size(config.options.capacity_bytes),
               threads);
  if (worker.uses_io_uring()) {
    spdlog::info("reads go through io_uring");
  } else {
    spdlog::warn("reads go through a pool of threads: {}", worker.fallback_reason());
  }
  if (start.created) {
    spdlog::info("a new store was made");
    return;
  }
  spdlog::info("store opened in {} ms: last stop {}, {} records ({}) replayed{}", start.duration_ms,
               start.clean ? "in order" : "not in order", start.replayed_records,
               format_size(start.replayed_bytes), start.index_rebuilt ? ", index rebuilt" : "");
  const bool damaged = start.damaged_records + start.damaged_segments + start.damaged_bytes > 0;
  if (damaged) {
    spdlog::warn("{} damaged records ({}) and {} damaged segments were found and are lost",
                 start.damaged_records, format_size(start.damaged_bytes), start.damaged_segments);
  }
  if (start.voided_records > 0) {
    spdlog::warn("{} records past a gap were never promised and are void", start.voided_records);
  }
}

/// Counts and a cause; nothing of what is being erased.
void log_erasure_alarm(const ErasureOutlook& outlook) {
  if (!outlook.is_alarming()) {
    spdlog::info("erasure: no deadline is at risk any more");
    return;
  }
  spdlog::error("erasure: {} deadlines are at risk ({}), {} have passed: {}", outlook.at_risk,
                format_size(outlook.at_risk_bytes), outlook.overdue, describe(outlook.trouble));
}

void log_warming(const WarmProgress& progress, bool is_over) {
  if (is_over) {
    spdlog::info("the hot tier is warm again: {} of {} entries, {} read in {}",
                 progress.entries_warmed, progress.entries, format_size(progress.bytes_read),
                 format_duration_ms(progress.elapsed_ms));
    return;
  }
  spdlog::info("warming the hot tier: {} ({} entries, {} read)", describe(progress),
               progress.entries_warmed, format_size(progress.bytes_read));
}

void log_policies(const PolicySet& policies, const UserSet& users) {
  for (const auto& [name, policy] : policies.tenants()) {
    spdlog::info("tenant {}: {}", name, describe(policy));
    if (name != kDefaultTenant && users.find(name) == nullptr) {
      spdlog::warn("tenant {}: no user is it; add one with `kachel user add {}`", name, name);
    }
  }
}

void log_users(const Config& config, const Authenticator& authenticator) {
  if (config.users_file.empty()) return;
  spdlog::info("{} users may connect ({})", authenticator.users().users().size(),
               config.users_file);
  if (!is_loopback(config.listen_host)) {
    spdlog::warn("passwords and entries cross the network in clear: --tls-listen encrypts them");
  } else if (authenticator.anonymous(Entrance::kLoopback)) {
    spdlog::info(
        "without a password everybody on this machine is the administrator `default`; "
        "`kachel user add default` ends that");
  }
}

void log_reload(const PolicyReload& reload, ServerState& state) {
  if (reload.done) {
    state.policy_reloads.fetch_add(1, std::memory_order_relaxed);
    spdlog::info("SIGHUP: the policies were read again");
    for (const std::string& line : reload.lines)
      spdlog::info("{}", line);
    return;
  }
  state.policy_reloads_refused.fetch_add(1, std::memory_order_relaxed);
  for (const std::string& line : reload.lines)
    spdlog::error("SIGHUP: the policies in force stay: {}", line);
}

Result<void> write_port_file(const std::string& path, std::uint16_t port) {
  if (path.empty()) return {};
  // Renamed into place: who waits for the file never reads half of it.
  const std::string temporary = path + ".new";
  std::ofstream file(temporary, std::ios::trunc);
  file << port << '\n';
  file.close();
  if (!file || std::rename(temporary.c_str(), path.c_str()) != 0) {
    return Error{ErrorCode::kPermission, "cannot write the port file " + path};
  }
  return {};
}

Pulse pulse_of(const std::vector<std::unique_ptr<WorkerThread>>& workers) {
  std::vector<Pulse::Post> loops;
  loops.reserve(workers.size());
  for (const auto& worker : workers) {
    loops.push_back([&worker = *worker](std::function<void()> task) {
      worker.run([task = std::move(task)](Poller&, io::AsioLoop&) { task(); });
    });
  }
  return Pulse(std::move(loops));
}

/// False when operations would not come to an end.
bool stop_workers(std::vector<std::unique_ptr<WorkerThread>>& workers) {
  for (const auto& worker : workers)
    worker->begin_shutdown(false);
  const auto deadline = std::chrono::steady_clock::now() + kStopPatience;
  const auto left = [&] {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration_cast<std::chrono::milliseconds>(
        std::max(deadline - now, std::chrono::steady_clock::duration::zero()));
  };
  for (const auto& worker : workers) {
    if (worker->wait_stopped(left())) continue;
    worker->begin_shutdown(true);
    if (!worker->wait_stopped(kStopPatience)) return false;
  }
  return true;
}

/// Answers from here on, long before a store that has much to recover is open. Null: there is to be
/// none.
Result<std::unique_ptr<http::HttpServer>> start_http(const Config& config, const TlsSource& tls) {
  std::vector<http::Door> doors;
  if (!config.http_host.empty()) {
    auto socket = BoundSocket::bind(config.http_host, config.http_port, "--http");
    if (!socket) return socket.error();
    spdlog::info("HTTP on {}", format_endpoint(config.http_host, socket->port()));
    doors.push_back({std::move(*socket), nullptr});
  }
  if (!config.https_host.empty()) {
    auto socket = BoundSocket::bind(config.https_host, config.https_port, "--https");
    if (!socket) return socket.error();
    spdlog::info("HTTPS on {}", format_endpoint(config.https_host, socket->port()));
    doors.push_back({std::move(*socket), &tls});
  }
  if (doors.empty()) return std::unique_ptr<http::HttpServer>();
  http::HttpLimits limits;
  limits.body_bytes = config.options.max_value_bytes;
  limits.bodies_bytes = std::max(limits.bodies_bytes, 2 * config.options.max_value_bytes);
  auto server =
      std::make_unique<http::HttpServer>(std::move(doors), limits,
                                         io::AsioLoopOptions{.queue_depth = kHttpQueueDepth,
                                                             .registered_buffers = kHttpBuffers,
                                                             .allow_io_uring = config.io_uring});
  if (auto started = server->start(); !started) return started.error();
  return server;
}

/// Reads the files and puts them into force; does nothing without a port that serves TLS.
Result<void> open_tls(const Config& config, TlsSource& tls) {
  if (config.tls_host.empty() && config.https_host.empty()) return {};
  auto context = TlsContext::open(config.tls);
  if (!context) return context.error();
  tls.publish(std::move(*context));
  return {};
}

void log_certificate(const Config& config, const TlsSource& tls) {
  const TlsContextPointer context = tls.current();
  if (!context) return;
  const std::time_t ends = context->expires_ms() / 1000;
  if (ends <= std::time(nullptr)) {
    spdlog::warn("the certificate {} has expired: clients refuse it", config.tls.certificate_file);
  }
  spdlog::info("the certificate {} is valid until {:%F %T} UTC", config.tls.certificate_file,
               fmt::gmtime(ends));
}

/// Of the Redis protocol.
struct Sockets {
  BoundSocket plain;
  std::optional<BoundSocket> tls;
};
Result<Sockets> bind_sockets(const Config& config) {
  auto plain = BoundSocket::bind(config.listen_host, config.listen_port);
  if (!plain) return plain.error();
  Sockets sockets{std::move(*plain), std::nullopt};
  if (config.tls_host.empty()) return sockets;
  auto tls = BoundSocket::bind(config.tls_host, config.tls_port, "--tls-listen");
  if (!tls) return tls.error();
  sockets.tls.emplace(std::move(*tls));
  return sockets;
}

class Daemon {
 public:
  /// `http` may be null.
  Daemon(const Config& config, const sigset_t& signals, TlsSource& tls, http::HttpServer* http)
      : config_(config), signals_(signals), tls_(tls), http_(http) {}

  int run(io::Storage& storage, Sockets sockets) {
    auto users = read_users(config_);
    if (!users) return report(users.error(), "--users: ");
    LoopThread log({.allow_io_uring = config_.io_uring});
    io::ThreadPool pool(kPoolThreads);
    const Environment environment{.storage = storage,
                                  .clock = clock_,
                                  .random = random_,
                                  .log_loop = log.loop(),
                                  .pool = pool,
                                  .boot_id = boot_id(),
                                  .open_index = {},
                                  .on_erasure_alarm = log_erasure_alarm,
                                  .on_warming = log_warming};
    ServiceManager::tell_status("opening the store");
    auto opened = Store::open(environment, config_.options);
    if (!opened) return report(opened.error(), config_.data + ": ");
    const std::unique_ptr<Store> store = std::move(*opened);
    auto accounts = open_accounts(std::move(*users), *store);
    if (accounts) return serve(*store, std::move(*accounts), std::move(sockets));
    const int exit_code = report(accounts.error(), "--users: ");
    return close(*store, exit_code);
  }

 private:
  int serve(Store& store, Accounts accounts, Sockets sockets) {
    const unsigned threads = config_.threads > 0 ? config_.threads : default_threads();
    const std::uint16_t port = sockets.plain.port();
    ServerState state;
    fill_state(state, config_, threads, port, random_);
    if (auto shared = share_processors(state); !shared) {
      return close(store, report(shared.error(), "worker-cpus: "));
    }
    state.tls = &tls_;
    state.authenticator.publish(std::move(accounts));
    std::vector<std::unique_ptr<WorkerThread>> workers;
    for (unsigned i = 0; i < threads; ++i) {
      workers.push_back(
          std::make_unique<WorkerThread>(store, state, *state.counters[i],
                                         io::AsioLoopOptions{.allow_io_uring = config_.io_uring}));
      workers.back()->start();
    }
    state.io_uring = workers.front()->uses_io_uring();
    if (http_ != nullptr) http_->open(store, state, *state.counters[threads]);
    log_start(config_, store, *workers.front(), threads);
    log_policies(config_.policy, state.authenticator.users());
    log_users(config_, state.authenticator);
    store.record_policies(describe_all(config_.policy));
    store.set_quotas(quotas_of(state.authenticator, config_.policy));
    int exit_code = kExitOk;
    {
      Listener listener(std::move(sockets.plain), false, state, workers);
      std::optional<Listener> encrypted;
      Result<void> started;
      if (sockets.tls) {
        const std::uint16_t tls_port = sockets.tls->port();
        encrypted.emplace(std::move(*sockets.tls), true, state, workers);
        started = encrypted->start();
        if (started) spdlog::info("TLS on {}", format_endpoint(config_.tls_host, tls_port));
      }
      if (started) started = listener.start();
      if (started) started = write_port_file(config_.port_file, port);
      if (started) {
        spdlog::info("ready to accept connections on {}",
                     format_endpoint(config_.listen_host, port));
        ServiceManager::tell_ready("serving on " + format_endpoint(config_.listen_host, port));
        const std::jthread prober([this, &state] { probe(state); });
        const int received = wait_for_stop(store, state, workers);
        ServiceManager::tell_stopping();
        spdlog::info("stopping on {}", received == SIGINT ? "SIGINT" : "SIGTERM");
      } else {
        exit_code = report(started.error(), "");
      }
      listener.stop();
      if (encrypted) encrypted->stop();
    }
    return stop(store, workers, exit_code);
  }

  /// After the start, which takes all there are; before the workers are there.
  Result<void> share_processors(ServerState& state) const {
    const auto shares = share_cpus(allowed_cpus(), state.threads, config_.worker_cpus);
    if (!shares) return shares.error();
    if (shares->workers.empty()) return {};
    state.worker_cpus = shares->workers;
    if (auto confined = confine_all_threads(shares->others); !confined) {
      spdlog::warn("clients are served on any processor: {}", confined.error().message);
      state.worker_cpus.clear();
      return {};
    }
    spdlog::info("clients are served on processors {}, all else is done on {}",
                 describe(shares->workers),
                 shares->others.empty() ? "any" : describe(shares->others));
    return {};
  }

  /// Beside the serving: on some devices syncs take long.
  void probe(ServerState& state) const {
    const auto found = probe_device(config_.data);
    if (!found) return spdlog::warn("the device was not probed: {}", found.error().message);
    state.device_sync_us = std::max<std::int64_t>(1, found->sync_us);
    spdlog::info("of the device: {}", describe(*found));
    if (found->direct_bytes > io::kBlockBytes || found->direct_memory_bytes > io::kBlockBytes) {
      spdlog::warn(
          "the device takes direct I/O by {} B, and kacheld reads by {} B: reads will fail; "
          "move the data directory to another one",
          std::max(found->direct_bytes, found->direct_memory_bytes), io::kBlockBytes);
    }
  }

  /// The signal that asks for it. SIGHUP until then reads the policies again.
  int wait_for_stop(Store& store, ServerState& state,
                    const std::vector<std::unique_ptr<WorkerThread>>& workers) {
    Pulse pulse = pulse_of(workers);
    int received = 0;
    while ((received = wait_for_signal(pulse)) == SIGHUP) {
      log_reload(reload_policy(config_, state.policy), state);
      const auto policies = state.policy.current();
      (void)store.set_erase_within(policies->shortest_erase_within());
      store.record_policies(describe_all(*policies));
      reload_users(store, state);
      store.set_quotas(quotas_of(state.authenticator, *policies));
      reload_certificates();
    }
    return received;
  }

  /// Tells the service manager meanwhile that all is well, if it is and is wanted to be told.
  int wait_for_signal(Pulse& pulse) const {
    constexpr int kTellings = 3;  // in the time after which it would no longer believe so
    const auto interval = ServiceManager::watchdog_interval() / kTellings;
    if (interval.count() == 0) {
      int received = 0;
      return sigwait(&signals_, &received) == 0 ? received : SIGTERM;
    }
    const auto whole = std::chrono::floor<std::chrono::seconds>(interval);
    const timespec patience{whole.count(),
                            static_cast<long>(std::chrono::nanoseconds(interval - whole).count())};
    std::size_t hanging = 0;
    while (true) {
      const int received = ::sigtimedwait(&signals_, nullptr, &patience);
      if (received > 0) return received;
      const std::size_t before = std::exchange(hanging, pulse.count_hanging());
      if (hanging == 0) {
        ServiceManager::tell_alive();
      } else if (hanging != before) {
        spdlog::error(
            "{} threads that serve clients hang: the service manager is not told any "
            "more that all is well",
            hanging);
      }
    }
  }

  void reload_users(Store& store, ServerState& state) {
    auto users = read_users(config_);
    auto accounts =
        users ? open_accounts(std::move(*users), store) : Result<Accounts>(users.error());
    if (!accounts) {
      spdlog::error("SIGHUP: the users in force stay: {}", accounts.error().message);
      return;
    }
    const auto changes = describe_changes(state.authenticator.users(), accounts->users);
    state.authenticator.publish(std::move(*accounts));
    // Not before it is so.
    for (const std::string& line : changes)
      spdlog::info("SIGHUP: {}", line);
  }

  void reload_certificates() {
    if (!tls_.current()) return;
    const auto opened = open_tls(config_, tls_);
    if (opened) return log_certificate(config_, tls_);
    spdlog::error("SIGHUP: the certificate in force stays: {}", opened.error().message);
  }

  int stop(Store& store, std::vector<std::unique_ptr<WorkerThread>>& workers, int exit_code) {
    const bool http_stopped = http_ == nullptr || http_->stop(kStopPatience);
    if (!stop_workers(workers) || !http_stopped) {
      spdlog::error("operations did not end; leaving as after a crash: the next start replays");
      spdlog::shutdown();
      std::_Exit(kExitFailure);
    }
    workers.clear();
    return close(store, exit_code);
  }

  static int close(Store& store, int exit_code) {
    if (const auto closed = store.close(); !closed) {
      spdlog::error("the store could not be closed in order: {}", closed.error().message);
      spdlog::shutdown();
      std::_Exit(kExitFailure);
    }
    spdlog::info("stopped");
    return exit_code;
  }

  const Config& config_;
  const sigset_t& signals_;
  TlsSource& tls_;
  http::HttpServer* http_;
  io::SystemClock clock_;
  io::SystemRandom random_;
};

/// What the allocator keeps is beside `memory` (docs/operating.md, Limits).
void use_memory_sparingly() {
  // Memory freed by one thread is used again by the others.
  mallopt(M_ARENA_MAX, 2);
  // Large values go back to the system when they go. glibc raises this to the largest block freed
  // so far, up to 32 MiB, and then the heap is full of holes of that size: 60 MiB of 140 beside a
  // `memory` of 64 (bench/stress/run memory).
  mallopt(M_MMAP_THRESHOLD, 512 << 10);
  // The system bounds a process to 65,530 mappings, and stacks and libraries need some.
  mallopt(M_MMAP_MAX, 32 << 10);
}

}  // namespace

int exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound:
    case ErrorCode::kForeign:
      return kExitNoStore;
    case ErrorCode::kLocked:
      return kExitLocked;
    case ErrorCode::kKeyMissing:
      return kExitKeyMissing;
    case ErrorCode::kInvalidArgument:
      return kExitUsage;
    default:
      return kExitFailure;
  }
}

int run_daemon(const Config& config) {
  use_memory_sparingly();
  raise_descriptor_limit();
  const sigset_t signals = block_signals();
  set_up_log(config.log_level, config.log_format);
  TlsSource tls;
  if (const auto opened = open_tls(config, tls); !opened) return report(opened.error(), "");
  log_certificate(config, tls);
  auto sockets = bind_sockets(config);
  if (!sockets) return report(sockets.error(), "");
  auto http = start_http(config, tls);
  if (!http) return report(http.error(), "HTTP: ");
  auto storage = io::open_posix_storage(config.data, {.create = true});
  if (!storage) {
    const int exit_code = report(storage.error(), "--data: ");
    // A file in its place: no store there.
    return storage.error().code == ErrorCode::kInvalidArgument ? kExitNoStore : exit_code;
  }
  return Daemon(config, signals, tls, http->get()).run(**storage, std::move(*sockets));
}

}  // namespace kachel::server
