// Worker: how a copy of the store learns what is left of what it has. It asks one that knows better
// which entries are alive there, in the order of the index, and erases what is not among them: what
// has been erased, replaced, evicted or has run out since the copy was made. So no list of erases
// has to be kept for copies that may come, however old.
#include <algorithm>
#include <utility>

#include "engine/listing.h"
#include "engine/store_worker.h"

namespace kachel {
namespace {

constexpr std::size_t kDoubtPage = 4096;

struct Doubtful {
  std::vector<AliveEntry> gone;
  std::optional<Mac> next;  // nothing: all of the range was looked at
};

/// What of a stretch of the range is in doubt and not alive. Pool thread.
Result<Doubtful> find_gone(const Core& core, const AliveRange& range, const Mac& from,
                           const std::vector<AliveEntry>& alive) {
  auto rows = core.index->list(range.space, from, kDoubtPage + 1);
  if (!rows) return rows.error();
  Doubtful found;
  if (rows->size() > kDoubtPage) {
    found.next = rows->back().first;
    rows->pop_back();
  }
  for (const auto& [mac, row] : *rows) {
    if (range.until && mac >= *range.until) {
      found.next.reset();
      break;
    }
    if (!core.came_with_copy(row.version)) continue;
    const AliveEntry entry{mac, row.version};
    if (!std::binary_search(alive.begin(), alive.end(), entry)) found.gone.push_back(entry);
  }
  if (found.next && range.until && *found.next >= *range.until) found.next.reset();
  return found;
}

Result<AlivePage> read_alive(const Core& core, Namespace space, const Mac& from,
                             std::size_t count) {
  auto rows = core.index->list(space, from, count + 1);
  if (!rows) return rows.error();
  AlivePage page;
  if (rows->size() > count) {
    page.next = rows->back().first;
    rows->pop_back();
  }
  const std::int64_t now_ms = core.clock.now_ms();
  for (const auto& [mac, row] : *rows)
    if (is_live(core, space, row, now_ms)) page.entries.push_back({mac, row.version});
  return page;
}

}  // namespace

void StoreWorker::list_alive(Namespace space, const Mac& from, std::size_t count,
                             Copies::Handler<AlivePage> handler) {
  list_on_pool<AlivePage>(
      [&core = core_, space, from, page = std::clamp<std::size_t>(count, 1, kMaxAlivePage)] {
        return read_alive(core, space, from, page);
      },
      std::move(handler));
}

/// In stretches: a range in which little is alive may have any number of entries in doubt.
struct StoreWorker::Confirmation {
  AliveRange range;
  std::vector<AliveEntry> alive;
  Copies::Handler<std::uint64_t> handler;
  Mac from{};
  std::optional<Mac> next;
  std::uint64_t erased = 0;
  std::uint64_t last_sequence = 0;
  std::size_t left = 0;  // of a stretch
};

void StoreWorker::confirm_alive(AliveRange range, std::vector<AliveEntry> alive,
                                Copies::Handler<std::uint64_t> handler) {
  if (!std::is_sorted(alive.begin(), alive.end())) {
    return handler(Error{ErrorCode::kInvalidArgument, "the entries are not in order"});
  }
  auto confirmation = std::make_shared<Confirmation>();
  confirmation->from = range.from;
  confirmation->range = range;
  confirmation->alive = std::move(alive);
  confirmation->handler = std::move(handler);
  confirm_stretch(confirmation);
}

void StoreWorker::confirm_stretch(const std::shared_ptr<Confirmation>& confirmation) {
  list_on_pool<Doubtful>(
      [&core = core_, confirmation] {
        return find_gone(core, confirmation->range, confirmation->from, confirmation->alive);
      },
      [this, present = presence(), confirmation](Result<Doubtful> found) {
        if (!found) return confirmation->handler(found.error());
        if (present.expired()) {
          return confirmation->handler(Error{ErrorCode::kShutdown, "the store is stopping"});
        }
        confirmation->next = found->next;
        confirmation->left = found->gone.size() + 1;
        for (const AliveEntry& entry : found->gone)
          erase_doubtful(confirmation, entry);
        end_stretch(confirmation);
      });
}

void StoreWorker::erase_doubtful(const std::shared_ptr<Confirmation>& confirmation,
                                 const AliveEntry& entry) {
  const Key key{confirmation->range.space, entry.mac};
  decide(key,
         [this, confirmation, key, version = entry.version](Shard& shard,
                                                            const Current& current) -> io::Task {
           io::Task after;
           // Whoever has set or erased it meanwhile has done the same.
           // It may be in memory, since the source is asked all the while.
           const bool is_it = current.exists ? current.version == version
                                             : current.row && current.row->version == version;
           if (is_it && core_.came_with_copy(version) && core_.writable) {
             bump(core_.counters.erases);
             ++confirmation->erased;
             std::uint64_t sequence = 0;
             after = commit_erase(shard, key, current, AckLevel::kNone, {}, &sequence);
             confirmation->last_sequence = std::max(confirmation->last_sequence, sequence);
           }
           return [this, confirmation, after = std::move(after)]() mutable {
             if (after) after();
             end_stretch(confirmation);
           };
         });
}

void StoreWorker::end_stretch(const std::shared_ptr<Confirmation>& confirmation) {
  if (--confirmation->left > 0) return;
  if (!core_.writable) {
    return confirmation->handler(Error{ErrorCode::kIo, "the store can't write"});
  }
  if (confirmation->next) {
    confirmation->from = *confirmation->next;
    return confirm_stretch(confirmation);
  }
  log_.when_safe(confirmation->last_sequence, AckLevel::kDurable, loop_,
                 [confirmation](const Result<Appended>& done) {
                   if (!done) return confirmation->handler(done.error());
                   confirmation->handler(confirmation->erased);
                 });
}

}  // namespace kachel
