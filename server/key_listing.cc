#include "server/key_listing.h"

#include <algorithm>
#include <utility>

namespace kachel::server {
namespace {

constexpr std::uint64_t kMaxCounted = 65'536;
constexpr std::size_t kCountPage = 4096;

void hash_page(Worker& worker, Namespace space, const KeyQuery& query, ScanHandler handler) {
  worker.scan_hashes(space, query.cursor - kFirstHash, query.count, Texts::kRead,
                     [handler = std::move(handler)](Result<ScanPage> page) mutable {
                       if (page && page->cursor != 0) page->cursor += kFirstHash;
                       handler(std::move(page));
                     });
}

void count_from(Worker& worker, Namespace space, std::uint64_t cursor, std::uint64_t counted,
                CountHandler handler) {
  worker.scan_hashes(
      space, cursor, kCountPage, Texts::kLeft,
      [&worker, space, counted, handler = std::move(handler)](Result<ScanPage> page) mutable {
        if (!page) return handler(page.error());
        const std::uint64_t now = counted + page->keys.size();
        if (page->cursor == 0) return handler(now);
        if (now < kMaxCounted) {
          return count_from(worker, space, page->cursor, now, std::move(handler));
        }
        const double covered = static_cast<double>(page->cursor) / static_cast<double>(kFirstHash);
        handler(static_cast<std::uint64_t>(static_cast<double>(now) / covered));
      });
}

}  // namespace

void key_page(Worker& worker, const Store& store, Namespace space, const KeyQuery& query,
              ScanHandler handler) {
  const bool lists_hashes = query.takes_hashes && store.may_have_hashes(space);
  if (query.cursor >= kFirstHash || !query.takes_strings) {
    if (!lists_hashes) return handler(ScanPage{});
    KeyQuery from = query;
    from.cursor = std::max(query.cursor, kFirstHash);
    return hash_page(worker, space, from, std::move(handler));
  }
  worker.scan(space, query.cursor, query.count,
              [lists_hashes, handler = std::move(handler)](Result<ScanPage> page) mutable {
                if (page && page->cursor == 0 && lists_hashes) page->cursor = kFirstHash;
                handler(std::move(page));
              });
}

void count_hashes(Worker& worker, Namespace space, CountHandler handler) {
  count_from(worker, space, 0, 0, std::move(handler));
}

}  // namespace kachel::server
