// What listings have in common: rows of the index in MAC order, with the keys' texts from the
// records.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include "engine/store_worker.h"

namespace kachel {

inline constexpr std::size_t kMaxPage = 10'000;
constexpr std::size_t page_size(std::size_t asked) {
  return std::clamp<std::size_t>(asked, 1, kMaxPage);
}

/// The eight bytes of the MAC from `at`, in MAC order.
inline std::uint64_t cursor_of(const Mac& mac, std::size_t at) {
  std::uint64_t cursor = 0;
  for (std::size_t i = at; i < at + sizeof cursor; ++i)
    cursor = cursor << 8 | std::to_integer<unsigned>(mac.bytes[i]);
  return cursor;
}
/// The lowest MAC that begins with `prefix`, and has `cursor` in the eight bytes from `at`.
inline Mac mac_at(const HashPrefix& prefix, std::size_t at, std::uint64_t cursor) {
  Mac mac;
  std::copy(prefix.begin(), prefix.end(), mac.bytes.begin());
  for (std::size_t i = at + sizeof cursor; i-- > at; cursor >>= 8)
    mac.bytes[i] = std::byte{static_cast<unsigned char>(cursor & 0xff)};
  return mac;
}

/// The text of the key, when the record is what the row says.
std::optional<ZeroizingString> read_key(const Core& core, const RowKey& key, const Row& row);
/// What the row says of is served.
bool is_live(const Core& core, Namespace space, const Row& row, std::int64_t now_ms);

template <typename Page, typename List>
void StoreWorker::list_on_pool(List list, UniqueFunction<void(Result<Page>)> handler) {
  // Without the worker, which may be gone by then.
  core_.env.log_loop.post([&core = core_, &log = log_, &loop = loop_, list = std::move(list),
                           handler = std::move(handler)]() mutable {
    log.when_applied([&core, &loop, list = std::move(list),
                      handler = std::move(handler)]() mutable {
      core.env.pool.run([&loop, list = std::move(list), handler = std::move(handler)]() mutable {
        loop.post([found = list(), handler = std::move(handler)]() mutable {
          handler(std::move(found));
        });
      });
    });
  });
}

}  // namespace kachel
