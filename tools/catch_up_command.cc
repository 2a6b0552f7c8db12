#include "tools/catch_up_command.h"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <optional>
#include <unistd.h>
#include <vector>

#include "engine/alive_coding.h"
#include "engine/inspect/entries.h"
#include "engine/inspect/store_view.h"
#include "io/clock.h"
#include "tools/exit_codes.h"
#include "tools/resp_client.h"

namespace kachel::tools {
namespace {

namespace json = boost::json;
constexpr std::size_t kPage = 16 * 1024;  // entries

Error garbled() {
  return {ErrorCode::kForeign, "the answer is not kacheld's, or another version's"};
}

/// What KACHEL.ALIVE and KACHEL.DOUBT say of a store.
struct Described {
  std::string store_id;
  std::uint64_t last_sequence = 0;
  std::uint64_t doubtful_through = 0;
  std::int64_t copied_ms = 0;
  std::vector<Namespace> namespaces;
};

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
    for (const json::value& space : value.at("namespaces").as_array()) {
      described.namespaces.push_back({space.at("tenant").to_number<std::uint32_t>(),
                                      space.at("database").to_number<std::uint8_t>()});
    }
    return described;
  } catch (const std::exception&) {
    return garbled();
  }
}

/// One that knows what is alive.
class Knowledge {
 public:
  virtual ~Knowledge() = default;
  virtual Result<AlivePage> page(Namespace space, const Mac& from) = 0;
  std::string name;
  std::string store_id;
  std::uint64_t through = 0;
};

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

struct Learnt {
  std::uint64_t alive = 0;  // entries there are at the source
  std::uint64_t erased = 0;
};

void show(const Learnt& learnt, bool json_lines) {
  if (json_lines) {
    fmt::print("{}\n",
               json::serialize(json::object{
                   {"type", "status"}, {"alive", learnt.alive}, {"erased", learnt.erased}}));
    std::fflush(stdout);
  } else if (::isatty(STDERR_FILENO) == 1) {
    fmt::print(stderr, "\r\x1b[K{} entries are alive, {} erased", learnt.alive, learnt.erased);
    std::fflush(stderr);
  }
}

Result<Learnt> learn(RespClient& copy, const Described& described, Knowledge& source,
                     bool json_lines) {
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
      show(learnt, json_lines);
      from = page->next;
    }
  }
  if (!json_lines && ::isatty(STDERR_FILENO) == 1) fmt::print(stderr, "\r\x1b[K");
  return learnt;
}

int fail(const Error& error) {
  fmt::print(stderr, "kachel catch-up: {}\n", error.message);
  return exit_code_for(error);
}

int say_state(const std::string& endpoint, const Described& described, bool as_json) {
  const bool in_doubt = described.doubtful_through != 0;
  if (as_json) {
    fmt::print("{}\n", json::serialize(json::object{{"type", "doubt"},
                                                    {"in_doubt", in_doubt},
                                                    {"through", described.doubtful_through},
                                                    {"copied_ms", described.copied_ms}}));
  } else if (in_doubt) {
    fmt::print(
        "{} is a copy made {:%Y-%m-%d %H:%M:%S}Z. What it came with (through sequence {}) is not "
        "served\nbefore it knows what was erased since: give --from HOST:PORT of a node that "
        "knows, "
        "--from-copy DIR\nof a newer copy, or --accept-doubt with a --reason\n",
        endpoint, fmt::gmtime(static_cast<std::time_t>(described.copied_ms / 1000)),
        described.doubtful_through);
  } else {
    fmt::print("nothing is in doubt on {}\n", endpoint);
  }
  return in_doubt ? kExitFindings : kExitClean;
}

Result<std::unique_ptr<Knowledge>> open_source(const CatchUpRequest& request) {
  return request.from.empty() ? NewerCopy::open(request.from_copy) : LivingNode::open(request.from);
}

}  // namespace

int run_catch_up(const std::string& endpoint, const CatchUpRequest& request) {
  auto copy = RespClient::connect(endpoint, kLongPatience);
  if (!copy) return fail(copy.error());
  const auto described = ask_what(*copy);
  if (!described) return fail(described.error());
  const bool only_asks = request.from.empty() && request.from_copy.empty() && !request.accept_doubt;
  if (only_asks || described->doubtful_through == 0) {
    return say_state(endpoint, *described, request.json);
  }
  if (request.accept_doubt) {
    if (request.reason.empty()) {
      return fail({ErrorCode::kInvalidArgument,
                   "--accept-doubt needs --reason TEXT, which goes into the audit log: what was "
                   "erased since the copy was made will be served again"});
    }
    const auto accepted = copy->ask({"KACHEL.DOUBT", "ACCEPT", "REASON", request.reason});
    if (!accepted) return fail(accepted.error());
    fmt::print("nothing is in doubt any more: you answer for it, and the audit log says so\n");
    return kExitClean;
  }
  auto source = open_source(request);
  if (!source) return fail(source.error());
  if ((*source)->store_id != described->store_id) {
    return fail({ErrorCode::kInvalidArgument,
                 (*source)->name + " is another store: it knows nothing of this one"});
  }
  if ((*source)->through < described->doubtful_through) {
    return fail({ErrorCode::kInvalidArgument,
                 fmt::format("{} ends with sequence {}, this copy with {}: it knows less",
                             (*source)->name, (*source)->through, described->doubtful_through)});
  }
  const auto learnt = learn(*copy, *described, **source, request.json);
  if (!learnt) return fail(learnt.error());
  const auto ended =
      copy->ask({"KACHEL.DOUBT", "CAUGHTUP", (*source)->name, std::to_string((*source)->through),
                 std::to_string(learnt->erased)});
  if (!ended) return fail(ended.error());
  if (request.json) {
    fmt::print("{}\n", json::serialize(json::object{{"type", "caught_up"},
                                                    {"source", (*source)->name},
                                                    {"source_through", (*source)->through},
                                                    {"erased", learnt->erased}}));
  } else {
    fmt::print("caught up with {} (sequence {}): {} entries erased, the rest is served\n",
               (*source)->name, (*source)->through, learnt->erased);
  }
  return kExitClean;
}

}  // namespace kachel::tools
