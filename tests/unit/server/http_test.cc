// The HTTP port without a store: its table of routes, who is let in, texts, and what it answers
// while a store is being opened.
#include <arpa/inet.h>
#include <fstream>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <set>
#include <sstream>
#include <sys/socket.h>
#include <unistd.h>

#include "server/credentials.h"
#include "server/http/auth.h"
#include "server/http/routes.h"
#include "server/http/server.h"

namespace kachel::server::http {
namespace {

/// "get /healthz getHealth" for each operation of docs/openapi.yaml, by its indentation.
std::set<std::string> described_routes() {
  std::ifstream file(std::string(KACHEL_SOURCE_DIR) + "/docs/openapi.yaml");
  std::set<std::string> found;
  std::string path;
  std::string method;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("components:")) break;
    if (line.starts_with("  /")) path = line.substr(2, line.size() - 3);
    if (line.starts_with("    ") && line[4] != ' ' && line.ends_with(":")) {
      method = line.substr(4, line.size() - 5);
    }
    constexpr std::string_view kOperation = "      operationId: ";
    if (line.starts_with(kOperation)) {
      std::string operation = method;
      operation.append(" ").append(path).append(" ").append(line.substr(kOperation.size()));
      found.insert(std::move(operation));
    }
  }
  return found;
}

TEST(HttpRoutesTest, TheTableIsWhatTheDocumentDescribes) {
  std::set<std::string> served;
  for (const Route& route : routes()) {
    std::string method(boost::beast::http::to_string(route.method));
    for (char& c : method)
      c = static_cast<char>(std::tolower(c));
    served.insert(method + " " + std::string(route.pattern) + " " + std::string(route.operation));
  }
  EXPECT_EQ(served.size(), routes().size());
  EXPECT_EQ(served, described_routes());
}

TEST(HttpMessageTest, PercentCoding) {
  EXPECT_EQ(percent_encode("a-b_c.d~/ %\xff"), "a-b_c.d~%2F%20%25%FF");
  EXPECT_EQ(percent_decode("a%2Fb%00c+"), ZeroizingString(std::string("a/b\0c+", 6)));
  EXPECT_EQ(percent_decode("a+b", true), ZeroizingString("a b"));
  for (const char* text : {"%", "%2", "%zz", "%-1", "a%2"})
    EXPECT_FALSE(percent_decode(text)) << text;
}

TEST(HttpMessageTest, Queries) {
  const auto query = parse_query("a=1&b&=x&c=%3D%26&&a=2");
  ASSERT_TRUE(query);
  ASSERT_EQ(query->size(), 5U);
  EXPECT_EQ((*query)[1].first, "b");
  EXPECT_EQ((*query)[1].second, "");
  EXPECT_EQ((*query)[3].second, "=&");
  EXPECT_EQ((*query)[4].second, "2");
  EXPECT_FALSE(parse_query("a=%"));
  std::string many;
  for (std::size_t i = 0; i <= kMaxParameters; ++i)
    many += "a=1&";
  EXPECT_FALSE(parse_query(many));
}

std::string refusal(const Head& head, const Authenticator& authenticator,
                    std::optional<std::string_view> tenant, Asks asks_for = Asks::kTenant,
                    const Caller& caller = {Entrance::kNetwork, {}}) {
  const auto authorized = authorize(head, caller, &authenticator, asks_for, tenant);
  return authorized.refusal ? std::string(authorized.refusal->code) : "";
}

TEST(HttpAuthTest, WithoutUsersWhoeverIsOnThisMachineIsLetIn) {
  const Authenticator open;
  const Caller local{Entrance::kLoopback, {}};
  Head head;
  for (const char* host : {"127.0.0.1:6381", "localhost", "[::1]:6381", "10.0.0.7"}) {
    head.host = host;
    EXPECT_EQ(refusal(head, open, "default", Asks::kTenant, local), "") << host;
    EXPECT_EQ(refusal(head, open, std::nullopt, Asks::kServer, local), "") << host;
    EXPECT_EQ(refusal(head, open, "other", Asks::kTenant, local), "forbidden") << host;
  }
  for (const char* host : {"", "evil.example:6381", "localhost.evil.example", "[", "[x]"}) {
    head.host = host;
    EXPECT_EQ(refusal(head, open, "default", Asks::kTenant, local), "foreign-origin") << host;
    EXPECT_EQ(refusal(head, open, std::nullopt, Asks::kNothing, local), "foreign-origin") << host;
  }
  head.host = "localhost";
  head.origin = "http://localhost";
  EXPECT_EQ(refusal(head, open, "default", Asks::kTenant, local), "foreign-origin");
}

TEST(HttpAuthTest, FromTheNetworkOnlyWhoCanShowWhoHeIs) {
  Authenticator authenticator;
  Accounts accounts;
  accounts.users.users()["alice"] = {};
  accounts.tenants = {{"alice", 7}};
  authenticator.publish(std::move(accounts));
  Head head;
  head.host = "cache.example";
  EXPECT_EQ(refusal(head, authenticator, std::nullopt, Asks::kNothing), "");
  EXPECT_EQ(refusal(head, authenticator, "default"), "unauthorized");
  const auto shows = [](const char* name) { return Caller{Entrance::kNetwork, name}; };
  EXPECT_EQ(refusal(head, authenticator, "alice", Asks::kTenant, shows("alice")), "");
  EXPECT_EQ(refusal(head, authenticator, "alice", Asks::kTenant, shows("bob")), "unauthorized");
  EXPECT_EQ(refusal(head, authenticator, "default", Asks::kTenant, shows("default")),
            "unauthorized");
  head.origin = "https://cache.example";
  EXPECT_EQ(refusal(head, authenticator, "alice", Asks::kTenant, shows("alice")), "foreign-origin");
}

TEST(HttpAuthTest, ATokenIsItsUsers) {
  Authenticator authenticator;
  Accounts accounts;
  accounts.users.users()["alice"] = {"", {token_hash("a")}, false};
  accounts.users.users()["root"] = {"", {token_hash("r")}, true};
  accounts.tenants = {{"alice", 7}, {"root", 8}};
  authenticator.publish(std::move(accounts));
  Head head;
  head.host = "localhost";
  EXPECT_EQ(refusal(head, authenticator, std::nullopt, Asks::kNothing), "");
  EXPECT_EQ(refusal(head, authenticator, "default"), "unauthorized");
  EXPECT_EQ(refusal(head, authenticator, "alice"), "unauthorized");
  EXPECT_EQ(refusal(head, authenticator, std::nullopt, Asks::kServer), "unauthorized");
  for (const char* wrong : {"Bearer x", "Bearer ", "Basic a", "a", "Bearer"}) {
    head.authorization = wrong;
    EXPECT_EQ(refusal(head, authenticator, "alice"), "unauthorized") << wrong;
  }
  head.authorization = "bearer a";
  EXPECT_EQ(authorize(head, {}, &authenticator, Asks::kTenant, "alice").principal->tenant, 7u);
  EXPECT_EQ(refusal(head, authenticator, "root"), "forbidden");
  EXPECT_EQ(refusal(head, authenticator, "nobody"), "forbidden") << "the same words";
  EXPECT_EQ(refusal(head, authenticator, std::nullopt, Asks::kServer), "forbidden");
  head.authorization = "Bearer r";
  EXPECT_EQ(refusal(head, authenticator, std::nullopt, Asks::kServer), "");
  EXPECT_EQ(authorize(head, {}, &authenticator, Asks::kTenant, "alice").principal->tenant, 7u);
  EXPECT_EQ(refusal(head, authenticator, "nobody"), "forbidden");
}

/// What the port answers to one request.
std::string ask(std::uint16_t port, const std::string& path) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const std::string request =
      "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(::send(descriptor, request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  std::string answer;
  char bytes[4096];
  for (ssize_t n = 0; (n = ::recv(descriptor, bytes, sizeof(bytes), 0)) > 0;)
    answer.append(bytes, static_cast<std::size_t>(n));
  ::close(descriptor);
  return answer;
}

TEST(HttpServerTest, WhileTheStoreIsOpenedItLivesAndIsNotReady) {
  auto socket = BoundSocket::bind("127.0.0.1", 0, "--http");
  ASSERT_TRUE(socket);
  std::vector<Door> doors;
  doors.push_back({std::move(*socket), nullptr});
  HttpServer server(std::move(doors), {}, {.allow_io_uring = false});
  ASSERT_TRUE(server.start());
  EXPECT_TRUE(ask(server.port(), "/healthz").starts_with("HTTP/1.1 200 OK"));
  const std::string ready = ask(server.port(), "/readyz");
  EXPECT_TRUE(ready.starts_with("HTTP/1.1 503")) << ready;
  EXPECT_NE(ready.find("\"starting\""), std::string::npos) << ready;
  const std::string entry = ask(server.port(), "/v1/tenants/default/entries/k");
  EXPECT_TRUE(entry.starts_with("HTTP/1.1 503")) << entry;
  EXPECT_NE(entry.find("urn:kachel:problem:starting"), std::string::npos) << entry;
  EXPECT_TRUE(server.stop(std::chrono::seconds(60)));
}

TEST(HttpServerTest, ABusyPortNamesItsFlag) {
  auto first = BoundSocket::bind("127.0.0.1", 0, "--http");
  ASSERT_TRUE(first && first->listen());
  auto second = BoundSocket::bind("127.0.0.1", first->port(), "--http");
  ASSERT_FALSE(second && second->listen());
  const Error error = second ? second->listen().error() : second.error();
  EXPECT_NE(error.message.find("choose another with --http"), std::string::npos) << error.message;
}

}  // namespace
}  // namespace kachel::server::http
