#include "server/accounting_worker.h"

#include <chrono>

#include "server/attribution.h"

namespace kachel::server {
namespace {

using SteadyClock = std::chrono::steady_clock;

std::uint64_t ns_since(SteadyClock::time_point start) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(SteadyClock::now() - start).count());
}

Operation get_from(const std::optional<Found>& found) {
  if (!found) return Operation::kGetMiss;
  switch (found->tier) {
    case Tier::kHot:
      return Operation::kGetHot;
    case Tier::kWriteBuffer:
      return Operation::kGetWriteBuffer;
    case Tier::kFlash:
      return Operation::kGetFlash;
  }
  return Operation::kGetFlash;
}

}  // namespace

/// `handler`, with the time until it runs entered first.
template <typename Value>
auto AccountingWorker::timed(Operation operation, UniqueFunction<void(Result<Value>)> handler) {
  return [ledger = ledger_, operation, start = SteadyClock::now(),
          handler = std::move(handler)](Result<Value> result) mutable {
    ledger->meter().latency(operation).add(ns_since(start));
    handler(std::move(result));
  };
}

std::optional<Found> AccountingWorker::get_hot(Namespace space, std::string_view key) {
  const bool samples = until_sample_ == 0;
  const SteadyClock::time_point start = samples ? SteadyClock::now() : SteadyClock::time_point();
  std::optional<Found> found = ForwardingWorker::get_hot(space, key);
  if (!found) return found;
  ++untimed_hits_;
  if (samples) {
    // For itself, and for those since the one before.
    ledger_->meter().latency(Operation::kGetHot).add(ns_since(start), untimed_hits_);
    untimed_hits_ = 0;
    until_sample_ = kHotHitsPerSample;
  }
  --until_sample_;
  if (!inspecting_) ledger_->count_hit(space.tenant, *found);
  return found;
}

bool AccountingWorker::get(Namespace space, std::string_view key, GetHandler handler) {
  return ForwardingWorker::get(
      space, key,
      [ledger = ledger_, start = SteadyClock::now(), tenant = space.tenant, serves = !inspecting_,
       handler = std::move(handler)](Result<std::optional<Found>> found) mutable {
        if (found) {
          ledger->meter().latency(get_from(*found)).add(ns_since(start));
          if (serves && *found) ledger->count_hit(tenant, **found);
          if (serves && !*found) ledger->count_miss(tenant);
        }
        handler(std::move(found));
      });
}

bool AccountingWorker::glimpse(Namespace space, std::string_view key, GlimpseHandler handler) {
  return ForwardingWorker::glimpse(
      space, key, timed<std::optional<Glimpse>>(Operation::kLook, std::move(handler)));
}

bool AccountingWorker::put(Namespace space, std::string_view key, std::string_view value,
                           PutOptions options, PutHandler handler) {
  attribute(value, options.metadata);
  const Ledger::Put worth = ledger_->price_put(space.tenant, options.metadata);
  return ForwardingWorker::put(
      space, key, value, std::move(options),
      [worth, handler = timed<PutOutcome>(Operation::kSet, std::move(handler))](
          Result<PutOutcome> outcome) mutable {
        if (outcome && *outcome == PutOutcome::kStored) Ledger::count_put(worth);
        handler(std::move(outcome));
      });
}

bool AccountingWorker::erase(Namespace space, std::string_view key,
                             std::optional<std::uint64_t> if_version, EraseHandler handler) {
  return ForwardingWorker::erase(space, key, if_version,
                                 timed<EraseOutcome>(Operation::kErase, std::move(handler)));
}

bool AccountingWorker::change_expiry(Namespace space, std::string_view key, ExpiryChange change,
                                     ExpiryHandler handler) {
  return ForwardingWorker::change_expiry(
      space, key, change, timed<ExpiryOutcome>(Operation::kExpire, std::move(handler)));
}

// Not timed: whoever waits here waits for another client.
bool AccountingWorker::lease(Namespace space, std::string_view key, std::chrono::milliseconds ms,
                             LeaseHandler handler) {
  return ForwardingWorker::lease(
      space, key, ms,
      [ledger = ledger_, tenant = space.tenant,
       handler = std::move(handler)](Result<LeaseAnswer> answer) mutable {
        if (answer && answer->found) ledger->count_hit(tenant, *answer->found);
        if (answer && !answer->found) ledger->count_miss(tenant);
        handler(std::move(answer));
      });
}

void AccountingWorker::when_unthrottled(UniqueFunction<void()> resume) {
  Meter& meter = ledger_->meter();
  add_own(meter.throttled, std::uint64_t{1});
  add_own(meter.throttled_now, std::uint64_t{1});
  ForwardingWorker::when_unthrottled([ledger = ledger_, resume = std::move(resume)]() mutable {
    std::atomic<std::uint64_t>& now = ledger->meter().throttled_now;
    now.store(now.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    resume();
  });
}

}  // namespace kachel::server
