// A whole session above a store in a map, under a tenant's policy or none. What it replies must
// not depend on how the client's bytes are split, on how many turns they take, on when replies
// are sent, or on whether the store answers at once or later.
//
// Input: a seed for all that, a byte of choices, then what the client sends.
#include <chrono>
#include <memory>
#include <optional>

#include "io/manual_loop.h"
#include "io/random.h"
#include "server/session.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/server/fake_store.h"

namespace kachel::fuzz {
namespace {

using namespace kachel::server;

// What a client may be sent is bounded by what it sends; the checks here are not for size.
constexpr std::size_t kMaxInputBytes = 16 * 1024;

struct Conversation {
  std::string replies;
  bool ended = false;
  bool aborted = false;
  friend bool operator==(const Conversation&, const Conversation&) = default;
};

struct Conditions {
  FakeStore::Mode mode = FakeStore::Mode::kAtOnce;
  bool hot = false;
  bool throttles = false;
  std::optional<std::uint8_t> seed;  // none: everything at once
};

Conditions conditions_of(std::uint8_t seed, std::uint8_t choice) {
  Conditions conditions;
  conditions.mode = static_cast<FakeStore::Mode>(choice % 3);
  conditions.hot = (choice & 4) != 0;
  conditions.throttles = (choice & 8) != 0;
  conditions.seed = seed;
  return conditions;
}

/// The tenant's policy, the same however the input is split.
std::shared_ptr<const PolicySet> policies_of(std::uint8_t choice) {
  using namespace std::chrono_literals;
  TenantPolicy policy;
  if ((choice & 16) != 0) {
    policy.ttl_default = 30s;
    policy.ttl_max = 60s;
    policy.erase_by_max = 24h;
  }
  policy.require_subject = (choice & 32) != 0;
  PolicySet set;
  set.set(std::string(kDefaultTenant), policy);
  return std::make_shared<const PolicySet>(std::move(set));
}

class Client final : public SessionHost {
 public:
  Client(const Conditions& conditions, std::uint8_t choice)
      : conditions_(conditions), random_(conditions.seed.value_or(0)) {
    store_.mode = conditions.mode;
    store_.hot = conditions.hot;
    state_.policy.publish(policies_of(choice));
    state_.counters.push_back(std::make_unique<WorkerCounters>());
    state_.run_id = std::string(40, 'a');
    if (conditions.seed) state_.limits.turn_commands = 1 + random_.next() % 8;
    auto client = std::make_shared<ClientRecord>();
    state_.clients.add(client);
    session_.reset(new Session(
        {store_, store_, state_, *state_.counters[0], chunks_, policy_, *this}, client));
  }
  ~Client() override {
    session_->abandon();
    store_.unthrottle();
    store_.complete_all();
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Conversation talk(std::string_view text) {
    while (!text.empty() && !over()) {
      if (!session_->wants_input()) {
        KACHEL_CHECK(progress(), "the session waits for nothing");
        continue;
      }
      const std::size_t piece = next_piece(text.size());
      receive(text.substr(0, piece));
      text.remove_prefix(piece);
      if (conditions_.throttles && random_.next() % 8 == 0) store_.throttle = true;
      if (random_.next() % 2 == 0) progress();
    }
    if (!over()) session_->end_of_input();
    while (progress()) {
    }
    KACHEL_CHECK(over(), "the session does not end with its input");
    return {std::move(replies_), session_->ended(), session_->aborted()};
  }

  void output_ready(Session&) override {}
  void resume_later(Session&) override { resume_asked_ = true; }
  void input_changed(Session&) override {}
  io::Loop& loop() override { return loop_; }

 private:
  bool over() const { return session_->ended() || session_->aborted(); }

  std::size_t next_piece(std::size_t left) {
    if (!conditions_.seed) return left;
    const std::size_t most = random_.next() % 4 == 0 ? left : std::min<std::size_t>(left, 7);
    return 1 + random_.next() % most;
  }

  void receive(std::string_view piece) {
    const std::span<char> space = session_->input_space();
    if (space.size() < piece.size() || random_.next() % 2 == 0) return session_->receive(piece);
    std::ranges::copy(piece, space.begin());
    session_->receive_in_place(piece.size());
  }

  // One of the things that a worker would do now; false when there is none.
  bool progress() {
    if (!session_->output().empty()) {
      send();
      return true;
    }
    if (resume_asked_) {
      resume_asked_ = false;
      session_->resume();
      return true;
    }
    if (!store_.waiting.empty()) {
      store_.complete(random_.next() % store_.waiting.size());
      return true;
    }
    if (store_.throttled_clients.empty()) return false;
    store_.unthrottle();
    return true;
  }

  void send() {
    const std::string all = session_->output().to_string();
    const std::size_t part = conditions_.seed ? 1 + random_.next() % all.size() : all.size();
    replies_ += all.substr(0, part);
    session_->sent(part);
  }

  const Conditions conditions_;
  io::SeededRandom random_;
  FakeStore store_;
  ServerState state_;
  PolicyReader policy_{state_.policy};
  ChunkPool chunks_;
  io::ManualLoop loop_{store_.clock};
  SessionPointer session_;
  std::string replies_;
  bool resume_asked_ = false;
};

/// Commands whose replies tell of bytes received, time, or memory: they differ by nature.
bool tells_of_the_moment(std::string_view name) {
  return equals_ignoring_case(name, "info") || equals_ignoring_case(name, "client") ||
         equals_ignoring_case(name, "kachel.meta") || equals_ignoring_case(name, "randomkey") ||
         equals_ignoring_case(name, "memory");
}

bool is_repeatable(std::string_view text) {
  RequestParser parser{ParserLimits()};
  while (parser.parse(text) == RequestParser::Status::kRequest) {
    const auto arguments = parser.arguments(text);
    if (!arguments.empty() && tells_of_the_moment(arguments[0])) return false;
    text.remove_prefix(parser.length());
    parser.next();
  }
  return true;
}

}  // namespace
}  // namespace kachel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kachel::fuzz;
  if (size > kMaxInputBytes) return -1;
  Input input(data, size);
  const std::uint8_t seed = input.u8();
  const std::uint8_t choice = input.u8();
  const Bytes text = exact_copy(input.rest());
  const Conversation whole = Client({}, choice).talk(as_text(text));
  const Conversation pieces = Client(conditions_of(seed, choice), choice).talk(as_text(text));
  if (!is_repeatable(as_text(text))) return 0;
  KACHEL_CHECK(whole == pieces, "the replies depend on how the input is split");
  return 0;
}
