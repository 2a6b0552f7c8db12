#include "tools/follower.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace kachel::tools {
namespace {

using std::chrono::milliseconds;
// Of trust, when the source is not asked again: no less than this, and than twice what the next
// look may take to come.
constexpr milliseconds kLeastLease{30'000};
constexpr milliseconds kRetry{100};
// Between two looks.
constexpr milliseconds kLeastRest{1'000};
constexpr milliseconds kMostRest{60'000};
constexpr int kRestShare = 10;  // of what a look takes

}  // namespace

Follower::Follower(std::string source, std::string copy)
    : source_(std::move(source)), copy_(std::move(copy)) {}

Follower::~Follower() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Follower::start(std::function<void(const Learnt&)> on_serving,
                     std::function<void(const std::string&)> on_trouble) {
  on_serving_ = std::move(on_serving);
  on_trouble_ = std::move(on_trouble);
  thread_ = std::thread([this] { run(); });
}

void Follower::run() {
  std::string trouble;
  bool serves = false;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    const auto learnt = pass("FOLLOW");
    if (learnt && !std::exchange(serves, true)) on_serving_(*learnt);
    if (!learnt && learnt.error().message != trouble) {
      trouble = learnt.error().message;
      on_trouble_(trouble);
    }
    lock.lock();
    changed_.wait_for(lock, learnt ? rest_ : kRetry, [this] { return stopping_; });
  }
}

Result<void> Follower::connect() {
  if (client_) return {};
  auto client = RespClient::connect(copy_, kLongPatience);
  if (!client) return client.error();
  client_.emplace(std::move(*client));
  return {};
}

/// One look at all there is, by which the doubt is put off ("FOLLOW") or ends ("CAUGHTUP").
Result<Learnt> Follower::pass(const char* end) {
  if (auto connected = connect(); !connected) return connected.error();
  const auto look = [&]() -> Result<Learnt> {
    const auto described = ask_what(*client_);
    if (!described) return described.error();
    auto source = open_node(source_);
    if (!source) return source.error();
    if (auto knows = check_knows(**source, *described); !knows) return knows.error();
    if (described->doubtful_through == 0) return Learnt{};  // somebody has answered for it
    const auto began = std::chrono::steady_clock::now();
    auto learnt = learn(*client_, *described, **source, [](const Learnt&) {});
    if (!learnt) return learnt;
    const auto took =
        std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - began);
    erased_ += learnt->erased;
    rest_ = std::clamp(took * kRestShare, kLeastRest, kMostRest);
    const milliseconds lease = std::max(kLeastLease, 2 * (rest_ + took));
    const bool is_last = end == std::string_view("CAUGHTUP");
    const auto said =
        is_last ? client_->ask({"KACHEL.DOUBT", end, source_, std::to_string((*source)->through),
                                std::to_string(erased_)})
                : client_->ask({"KACHEL.DOUBT", end, source_, std::to_string(lease.count())});
    if (!said) return said.error();
    return learnt;
  };
  auto learnt = look();
  if (!learnt) client_.reset();
  return learnt;
}

Result<Learnt> Follower::finish() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  std::string trouble;
  while (true) {
    auto learnt = pass("CAUGHTUP");
    if (learnt) learnt->erased = erased_;
    // Not there yet, or on its way up again; anything else stays as it is.
    if (learnt || learnt.error().code != ErrorCode::kIo) return learnt;
    if (std::exchange(trouble, learnt.error().message) != trouble) on_trouble_(trouble);
    std::this_thread::sleep_for(kRetry);
  }
}

}  // namespace kachel::tools
