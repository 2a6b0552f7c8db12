// Who a client is: by user and password, by token, or because anybody may be `default`. What is in
// force is published as policies are, and may change at any time.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "io/loop.h"
#include "io/thread_pool.h"
#include "io/unique_function.h"
#include "io/zeroizing.h"
#include "server/users.h"

namespace kachel::server {

/// A user who has been recognised. Immutable once shared.
struct Principal {
  std::string name;          // of the user, and of his tenant
  std::uint32_t tenant = 0;  // its number
  bool is_admin = false;
};
using PrincipalPointer = std::shared_ptr<const Principal>;

/// What an authenticator goes by.
struct Accounts {
  UserSet users;
  std::map<std::string, std::uint32_t, std::less<>> tenants;  // numbers, of all users
};

/// Who can reach the socket that a client has come through.
enum class Entrance : std::uint8_t {
  kLoopback,  // this machine: without a password anybody is `default`, an administrator, unless
              // there is a user of that name
  kNetwork,   // others: everybody says who he is
};

enum class AuthOutcome : std::uint8_t { kWelcome, kRefused, kBusy };
struct AuthAnswer {
  AuthOutcome outcome = AuthOutcome::kRefused;
  PrincipalPointer principal;  // with kWelcome
};
using AuthHandler = UniqueFunction<void(AuthAnswer)>;

/// Thread-safe.
class Authenticator {
 public:
  Authenticator();
  ~Authenticator();
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  void publish(Accounts accounts);
  UserSet users() const;
  /// Changes with what is published: who was recognised before is to be looked up again.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  /// Who says nothing about himself; nobody when everybody must.
  PrincipalPointer anonymous(Entrance entrance) const;
  PrincipalPointer by_token(std::string_view token) const;
  /// Of that name; nobody when there is none.
  PrincipalPointer find(std::string_view name, Entrance entrance) const;
  /// The numbers of all users' tenants, and of `default`.
  std::map<std::string, std::uint32_t, std::less<>> tenants() const;
  /// Of a tenant's number, for labels; "removed" when no user has it.
  std::string tenant_name(std::uint32_t number) const;
  /// The handler runs on the loop's thread, perhaps before this returns. A password that was right
  /// before is known again at once; any other takes tens of milliseconds on a thread that is there
  /// for nothing else, and only so many wait for it (kBusy).
  void by_password(std::string_view name, std::string_view password, Entrance entrance,
                   io::Loop& loop, AuthHandler handler);

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Published {
    Accounts accounts;
    std::map<std::string, PrincipalPointer, std::less<>> principals;
    PrincipalPointer anonymous;
  };

  std::shared_ptr<const Published> published() const;
  Digest digest(std::string_view name, const std::string& hash, std::string_view password) const;
  bool is_known(const std::string& name, const Digest& digest) const;
  void remember(const std::string& name, const Digest& digest);

  mutable std::mutex mutex_;
  std::shared_ptr<const Published> published_;  // guarded by mutex_
  std::map<std::string, Digest> known_;         // guarded by mutex_; the last that was right
  std::atomic<std::uint64_t> generation_{0};
  std::array<unsigned char, 32> secret_{};  // of this process
  std::atomic<std::size_t> waiting_{0};
  io::ThreadPool pool_{1};  // last: ends first
};

}  // namespace kachel::server
