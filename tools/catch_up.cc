#include "tools/catch_up.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <utility>

#include "engine/alive_coding.h"
#include "engine/inspect/entries.h"
#include "engine/inspect/store_view.h"
#include "io/clock.h"

namespace kachel::tools {
namespace {

namespace json = boost::json;
constexpr std::size_t kPage = 16 * 1024;  // entries

Error garbled() {
  return {ErrorCode::kForeign, "the answer is not kacheld's, or another version's"};
}

class LivingNode final : public Knowledge {
 public:
  static Result<std::unique_ptr<Knowledge>> open(const std::string& endpoint) {
    auto client = RespClient::connect(endpoint, kLongPatience);
    if (!client) return client.error();
    auto node = std::make_unique<LivingNode>(std::move(*client));
    const auto described = ask_what(node->client_);
    if (!described) return described.error();
    if (described->doubtful_through != 0) {
      return Error{ErrorCode::kInvalidArgument,
                   endpoint + " is itself a copy that does not know what was erased since"};
    }
    node->name = endpoint;
    node->store_id = described->store_id;
    node->through = described->last_sequence;
    return std::unique_ptr<Knowledge>(std::move(node));
  }
  explicit LivingNode(RespClient client) : client_(std::move(client)) {}

  Result<AlivePage> page(Namespace space, const Mac& from) override {
    const auto answer =
        client_.ask({"KACHEL.ALIVE", std::to_string(space.tenant), std::to_string(space.database),
                     text_of(from), std::to_string(kPage)});
    if (!answer) return answer.error();
    auto page = decode_alive_page(*answer);
    if (!page || (page->next && *page->next <= from)) return garbled();  // or it would never end
    return std::move(*page);
  }

 private:
  RespClient client_;
};

/// A newer copy, or a store that nobody runs: 24 bytes of memory an entry.
class NewerCopy final : public Knowledge {
 public:
  static Result<std::unique_ptr<Knowledge>> open(const std::string& directory) {
    inspect::Inspection inspection({});
    auto store = inspect::StoreView::open(directory, inspection);
    if (!store) return store.error();
    if (!(*store)->superblock()) {
      return Error{ErrorCode::kCorrupt, directory + ": the superblock is damaged"};
    }
    auto copy = std::make_unique<NewerCopy>();
    copy->name = directory;
    copy->store_id = text_of(Mac{(*store)->store_id()});
    copy->through = (*store)->superblock()->sequence_limit - 1;
    const io::SystemClock clock;
    const inspect::EntryReader reader(**store, clock.wall_ms());
    if (!reader.index_problem().empty()) {
      return Error{ErrorCode::kCorrupt, directory + ": " + reader.index_problem()};
    }
    bool is_whole = true;
    auto walked = reader.for_each(
        {}, [&](const inspect::Finding&) { is_whole = false; },
        [&](const inspect::DumpedEntry& entry) -> Result<void> {
          if (entry.state == inspect::EntryState::kLive ||
              entry.state == inspect::EntryState::kPending) {
            copy->alive_[entry.summary.space].push_back({entry.summary.mac, entry.summary.version});
          }
          return {};
        });
    if (!walked) return walked.error();
    if (!is_whole) {
      fmt::print(stderr,
                 "kachel catch-up: {} is damaged: what of it can't be read is erased from "
                 "the copy\n",
                 directory);
    }
    for (auto& [space, entries] : copy->alive_)
      std::sort(entries.begin(), entries.end());
    return std::unique_ptr<Knowledge>(std::move(copy));
  }

  Result<AlivePage> page(Namespace space, const Mac& from) override {
    AlivePage page;
    const std::vector<AliveEntry>& all = alive_[space];
    auto at = std::lower_bound(all.begin(), all.end(), AliveEntry{from, 0});
    for (; at != all.end() && page.entries.size() < kPage; ++at)
      page.entries.push_back(*at);
    // Never between two of the same entry.
    while (at != all.end() && at->mac == page.entries.back().mac)
      page.entries.push_back(*at++);
    if (at != all.end()) page.next = at->mac;
    return page;
  }

 private:
  std::map<Namespace, std::vector<AliveEntry>> alive_;
};

}  // namespace

Result<Described> ask_what(RespClient& client) {
  const auto answer = client.ask({"KACHEL.DOUBT"});
  if (!answer) return answer.error();
  try {
    const json::value value = json::parse(*answer);
    Described described;
    described.store_id = value.at("store_id").as_string();
    described.last_sequence = value.at("last_sequence").to_number<std::uint64_t>();
    described.doubtful_through = value.at("doubtful_through").to_number<std::uint64_t>();
    described.copied_ms = value.at("copied_ms").to_number<std::int64_t>();
    described.arriving_segments = value.at("arriving_segments").to_number<std::uint64_t>();
    for (const json::value& space : value.at("namespaces").as_array()) {
      described.namespaces.push_back({space.at("tenant").to_number<std::uint32_t>(),
                                      space.at("database").to_number<std::uint8_t>()});
    }
    return described;
  } catch (const std::exception&) {
    return garbled();
  }
}

Result<std::unique_ptr<Knowledge>> open_node(const std::string& endpoint) {
  return LivingNode::open(endpoint);
}

Result<std::unique_ptr<Knowledge>> open_copy(const std::string& directory) {
  return NewerCopy::open(directory);
}

Result<void> check_knows(const Knowledge& source, const Described& copy) {
  if (source.store_id != copy.store_id) {
    return Error{ErrorCode::kInvalidArgument,
                 source.name + " is another store: it knows nothing of this one"};
  }
  if (source.through < copy.doubtful_through) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{} ends with sequence {}, this copy with {}: it knows less",
                             source.name, source.through, copy.doubtful_through)};
  }
  return {};
}

Result<Learnt> learn(RespClient& copy, const Described& described, Knowledge& source,
                     const std::function<void(const Learnt&)>& show) {
  Learnt learnt;
  for (const Namespace& space : described.namespaces) {
    for (std::optional<Mac> from = Mac{}; from;) {
      const auto page = source.page(space, *from);
      if (!page) return Error{page.error().code, source.name + ": " + page.error().message};
      const auto erased = copy.ask(
          {"KACHEL.DOUBT", "CONFIRM", std::to_string(space.tenant), std::to_string(space.database),
           text_of(*from), page->next ? text_of(*page->next) : "-", encode_alive(page->entries)});
      if (!erased) return erased.error();
      learnt.alive += page->entries.size();
      learnt.erased += std::strtoull(erased->c_str(), nullptr, 10);
      show(learnt);
      from = page->next;
    }
  }
  return learnt;
}

}  // namespace kachel::tools
