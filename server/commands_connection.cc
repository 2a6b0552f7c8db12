// Commands on the connection itself: PING, HELLO, AUTH, SELECT, CLIENT...
#include <algorithm>
#include <fmt/format.h>
#include <string>

#include "server/arguments.h"
#include "server/command.h"
#include "server/resp_parser.h"
#include "server/session.h"

namespace kachel::server {
namespace {

using namespace command_flag;

void ping(Session& session, Arguments arguments) {
  if (arguments.size() > 2) {
    return session.reply().error("ERR wrong number of arguments for 'ping' command");
  }
  if (arguments.size() == 2) return session.reply().bulk(arguments[1]);
  session.reply().simple("PONG");
}

void echo(Session& session, Arguments arguments) {
  session.reply().bulk(arguments[1]);
}

constexpr std::string_view kNoPassword =
    "ERR AUTH <password> called without any password configured for the default user. Are you "
    "sure your configuration is correct?";
constexpr std::string_view kWrongPassword =
    "WRONGPASS invalid username-password pair or user is disabled.";
constexpr std::string_view kTooManyAtOnce =
    "ERR too many clients authenticate at once; try again in a moment";

/// Calls `done` with the pending reply once the client is who it says; replies why not otherwise.
template <typename Done>
void authenticate(Session& session, std::string_view name, std::string_view password, Done done) {
  PendingReply reply = session.defer();
  session.hold_for(reply.slot());
  session.state().authenticator.by_password(
      name, password, session.entrance(), session.loop(),
      [reply = std::move(reply), done = std::move(done)](AuthAnswer answer) mutable {
        switch (answer.outcome) {
          case AuthOutcome::kWelcome:
            reply.session().become(std::move(answer.principal));
            done(reply);
            break;
          case AuthOutcome::kRefused:
            reply.writer().error(kWrongPassword);
            break;
          case AuthOutcome::kBusy:
            reply.writer().error(kTooManyAtOnce);
            break;
        }
        reply.finish();
      });
}

void auth(Session& session, Arguments arguments) {
  if (arguments.size() > 3) return session.reply().error(kSyntaxError);
  const bool is_open = session.state().authenticator.anonymous(session.entrance()) != nullptr;
  if (arguments.size() == 2 && is_open) return session.reply().error(kNoPassword);
  const std::string_view name = arguments.size() == 2 ? kDefaultTenant : arguments[1];
  authenticate(session, name, arguments.back(), [](PendingReply& reply) { reply.writer().ok(); });
}

bool is_valid_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '!' && c <= '~'; });
}

constexpr std::string_view kBadClientName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

constexpr std::string_view kHelloUnknown =
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
    "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
    "protocol version at the same time";

struct HelloOptions {
  Protocol protocol = Protocol::kResp2;
  std::optional<std::string_view> name;
  std::optional<std::string_view> user;
  std::string_view password;
};

bool parse_hello_version(Session& session, std::string_view text, HelloOptions& hello) {
  const auto version = parse_integer(text);
  if (!version) {
    session.reply().error("ERR Protocol version is not an integer or out of range");
    return false;
  }
  if (*version != 2 && *version != 3) {
    session.reply().error("NOPROTO unsupported protocol version");
    return false;
  }
  hello.protocol = *version == 3 ? Protocol::kResp3 : Protocol::kResp2;
  return true;
}

bool parse_hello_options(Session& session, Arguments arguments, HelloOptions& hello) {
  for (std::size_t at = 2; at < arguments.size(); ++at) {
    const std::size_t more = arguments.size() - 1 - at;
    if (equals_ignoring_case(arguments[at], "AUTH") && more >= 2) {
      hello.user = arguments[at + 1];
      hello.password = arguments[at + 2];
      at += 2;
    } else if (equals_ignoring_case(arguments[at], "SETNAME") && more >= 1) {
      hello.name = arguments[++at];
      if (is_valid_name(*hello.name)) continue;
      session.reply().error(kBadClientName);
      return false;
    } else {
      session.reply().error(
          fmt::format("ERR Syntax error in HELLO option '{}'", arguments[at].substr(0, 128)));
      return false;
    }
  }
  return true;
}

void greet(Session& session, ReplyWriter reply) {
  reply.map(7);
  reply.bulk("server");
  reply.bulk("redis");
  reply.bulk("version");
  reply.bulk(kRedisVersion);
  reply.bulk("proto");
  reply.integer(static_cast<int>(session.protocol()));
  reply.bulk("id");
  reply.integer_unsigned(session.client().id);
  reply.bulk("mode");
  reply.bulk("standalone");
  reply.bulk("role");
  reply.bulk("master");
  reply.bulk("modules");
  reply.array(0);
}

void hello(Session& session, Arguments arguments) {
  HelloOptions hello{session.protocol(), std::nullopt, std::nullopt, {}};
  if (arguments.size() > 1) {
    if (!parse_hello_version(session, arguments[1], hello)) return;
    if (!parse_hello_options(session, arguments, hello)) return;
  }
  const auto take = [protocol = hello.protocol, names = hello.name.has_value(),
                     name = std::string(hello.name.value_or(""))](Session& said) {
    said.set_protocol(protocol);
    if (names) said.state().clients.set_name(said.client(), name);
  };
  if (hello.user) {
    return authenticate(session, *hello.user, hello.password,
                        [take, protocol = hello.protocol](PendingReply& reply) {
                          take(reply.session());
                          greet(reply.session(), reply.writer(protocol));
                        });
  }
  if (session.principal() == nullptr) return session.reply().error(kHelloUnknown);
  take(session);
  greet(session, session.reply());
}

void select(Session& session, Arguments arguments) {
  const auto database = integer_argument(session, arguments[1]);
  if (!database) return;
  if (*database < 0 || *database >= kDatabases) {
    return session.reply().error("ERR DB index is out of range");
  }
  session.select(static_cast<std::uint8_t>(*database));
  session.reply().ok();
}

void quit(Session& session, Arguments) {
  session.reply().ok();
  session.close_after_reply();
}

void reset(Session& session, Arguments) {
  session.transaction().reset();
  session.select(0);
  session.set_protocol(Protocol::kResp2);
  session.state().clients.set_name(session.client(), "");
  session.become(nullptr);
  session.reply().simple("RESET");
}

void client_id(Session& session, Arguments) {
  session.reply().integer_unsigned(session.client().id);
}

void client_setname(Session& session, Arguments arguments) {
  if (!is_valid_name(arguments[2])) return session.reply().error(kBadClientName);
  session.state().clients.set_name(session.client(), arguments[2]);
  session.reply().ok();
}

void client_getname(Session& session, Arguments) {
  const std::string name = session.state().clients.name(session.client());
  if (name.empty()) return session.reply().null();
  session.reply().bulk(name);
}

void client_setinfo(Session& session, Arguments arguments) {
  std::string attribute(arguments[2]);
  std::transform(attribute.begin(), attribute.end(), attribute.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (!is_valid_name(arguments[3])) {
    return session.reply().error(
        fmt::format("ERR {} cannot contain spaces, newlines or special characters.", attribute));
  }
  if (session.state().clients.set_info(session.client(), attribute, arguments[3])) {
    return session.reply().ok();
  }
  session.reply().error(fmt::format("ERR Unrecognized option '{}'", arguments[2]));
}

void client_info(Session& session, Arguments) {
  session.reply().verbatim("txt", session.state().clients.describe(session.client()) + "\n");
}

void client_list(Session& session, Arguments arguments) {
  if (arguments.size() == 2) {
    return session.reply().verbatim("txt", session.state().clients.list());
  }
  if (!equals_ignoring_case(arguments[2], "ID") || arguments.size() == 3) {
    return session.reply().error(kSyntaxError);
  }
  std::string text;
  for (const std::string_view argument : arguments.subspan(3)) {
    const auto id = parse_integer(argument);
    if (!id || *id < 1) return session.reply().error("ERR Invalid client ID");
    const auto has_id = [&](const ClientRecord& client) {
      return client.id == static_cast<std::uint64_t>(*id);
    };
    for (const auto& client : session.state().clients.find(has_id)) {
      text += session.state().clients.describe(*client) + "\n";
    }
  }
  session.reply().verbatim("txt", text);
}

/// Closes them; this client only after it has had its reply.
std::size_t kill_clients(Session& session, const std::vector<ClientRegistry::Pointer>& clients) {
  for (const auto& client : clients) {
    if (client->id == session.client().id) {
      session.close_after_reply();
    } else if (client->kill) {
      client->kill();
    }
  }
  return clients.size();
}

void client_kill(Session& session, Arguments arguments) {
  const ClientRegistry& clients = session.state().clients;
  if (arguments.size() == 3) {
    const auto found =
        clients.find([&](const ClientRecord& client) { return client.address == arguments[2]; });
    if (found.empty()) return session.reply().error("ERR No such client");
    session.reply().ok();
    kill_clients(session, found);
    return;
  }
  if (arguments.size() != 4) return session.reply().error(kSyntaxError);
  const std::string_view filter = arguments[2];
  const std::string_view value = arguments[3];
  std::vector<ClientRegistry::Pointer> found;
  if (equals_ignoring_case(filter, "ID")) {
    const auto id = parse_integer(value);
    if (!id || *id < 1) return session.reply().error("ERR client-id should be greater than 0");
    found = clients.find(
        [&](const ClientRecord& client) { return client.id == static_cast<std::uint64_t>(*id); });
  } else if (equals_ignoring_case(filter, "ADDR")) {
    found = clients.find([&](const ClientRecord& client) { return client.address == value; });
  } else {
    return session.reply().error(kSyntaxError);
  }
  const std::size_t killed = kill_clients(session, found);
  session.reply().integer_unsigned(killed);
}

void client_on_off(Session& session, Arguments arguments) {
  const bool known =
      equals_ignoring_case(arguments[2], "ON") || equals_ignoring_case(arguments[2], "OFF");
  if (!known) return session.reply().error(kSyntaxError);
  session.reply().ok();
}

void client_reply(Session& session, Arguments arguments) {
  if (equals_ignoring_case(arguments[2], "ON")) return session.reply().ok();
  const bool known =
      equals_ignoring_case(arguments[2], "OFF") || equals_ignoring_case(arguments[2], "SKIP");
  session.reply().error(known ? "ERR CLIENT REPLY OFF and SKIP are not supported" : kSyntaxError);
}

void client_getredir(Session& session, Arguments) {
  session.reply().integer(-1);
}

constexpr std::uint32_t kFlags = kLoading | kStale | kFast;
constexpr KeyPositions kNoKey{0, 0, 0};
constexpr std::string_view kGroup = "connection";

constexpr CommandSpec kCommands[] = {
    {"ping", -1, kFast, kNoKey, ping, kGroup, "Answers, to show that the server is there."},
    {"echo", 2, kFast | kLoading | kStale, kNoKey, echo, kGroup, "Returns its argument."},
    {"hello", -1, kFlags | kNoAuth, kNoKey, hello, kGroup, "Chooses the protocol version."},
    {"auth", -2, kFlags | kNoAuth, kNoKey, auth, kGroup, "Authenticates the connection."},
    {"select", 2, kFlags, kNoKey, select, kGroup, "Changes the database."},
    {"quit", -1, kFlags | kNoAuth | kNotQueued, kNoKey, quit, kGroup, "Closes the connection."},
    {"reset", 1, kFlags | kNoAuth | kNotQueued, kNoKey, reset, kGroup,
     "Resets the connection's state."},
    {"client", -2, kFlags, kNoKey, nullptr, kGroup, "A container for client commands."},
    {"client|id", 2, kFlags, kNoKey, client_id, kGroup, "Returns the id of the connection."},
    {"client|setname", 3, kFlags, kNoKey, client_setname, kGroup, "Names the connection."},
    {"client|getname", 2, kFlags, kNoKey, client_getname, kGroup, "Returns the name."},
    {"client|setinfo", 4, kFlags, kNoKey, client_setinfo, kGroup, "Says which library it is."},
    {"client|info", 2, kFlags, kNoKey, client_info, kGroup, "Describes the connection."},
    {"client|list", -2, kFlags | kAdmin, kNoKey, client_list, kGroup, "Lists connections."},
    {"client|kill", -3, kFlags | kAdmin, kNoKey, client_kill, kGroup, "Closes connections."},
    {"client|no-evict", 3, kFlags | kAdmin, kNoKey, client_on_off, kGroup, "Accepted."},
    {"client|no-touch", 3, kFlags, kNoKey, client_on_off, kGroup, "Accepted."},
    {"client|reply", 3, kFlags, kNoKey, client_reply, kGroup, "Only ON is supported."},
    {"client|getredir", 2, kFlags, kNoKey, client_getredir, kGroup,
     "Returns -1: nothing is tracked."},
};

}  // namespace

std::span<const CommandSpec> connection_commands() {
  return kCommands;
}

}  // namespace kachel::server
