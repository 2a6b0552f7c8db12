#include "server/authenticator.h"

#include <sodium.h>
#include <utility>

#include "engine/tenants.h"
#include "io/check.h"
#include "server/credentials.h"

namespace kachel::server {
namespace {

// Attempts of all clients that wait for their turn.
constexpr std::size_t kMaxWaiting = 256;

/// For names that nobody has, so that their refusal takes as long as any other.
const std::string& nobodys_hash() {
  static const std::string hash = [] {
    auto made = hash_password("nobody's");
    return made ? *made : std::string();
  }();
  return hash;
}

}  // namespace

Authenticator::Authenticator() {
  KACHEL_CHECK(sodium_init() >= 0, "libsodium could not be initialised");
  randombytes_buf(secret_.data(), secret_.size());
  publish({});
}

Authenticator::~Authenticator() = default;

void Authenticator::publish(Accounts accounts) {
  auto next = std::make_shared<Published>();
  for (const auto& [name, user] : accounts.users.users()) {
    const auto number = accounts.tenants.find(name);
    KACHEL_CHECK(number != accounts.tenants.end(), "a user whose tenant has no number");
    next->principals[name] =
        std::make_shared<Principal>(Principal{name, number->second, user.is_admin});
  }
  const User* const named = accounts.users.find(kDefaultTenantName);
  if (named == nullptr) {
    next->anonymous =
        std::make_shared<Principal>(Principal{std::string(kDefaultTenantName), 0, true});
  }
  next->accounts = std::move(accounts);
  const std::lock_guard lock(mutex_);
  published_ = std::move(next);
  generation_.fetch_add(1, std::memory_order_release);
}

std::shared_ptr<const Authenticator::Published> Authenticator::published() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

UserSet Authenticator::users() const {
  return published()->accounts.users;
}

PrincipalPointer Authenticator::anonymous(Entrance entrance) const {
  return entrance == Entrance::kLoopback ? published()->anonymous : nullptr;
}

PrincipalPointer Authenticator::find(std::string_view name, Entrance entrance) const {
  const auto now = published();
  const auto found = now->principals.find(name);
  if (found != now->principals.end()) return found->second;
  const bool is_anonymous = now->anonymous && name == now->anonymous->name;
  return is_anonymous && entrance == Entrance::kLoopback ? now->anonymous : nullptr;
}

std::map<std::string, std::uint32_t, std::less<>> Authenticator::tenants() const {
  auto tenants = published()->accounts.tenants;
  tenants.emplace(kDefaultTenantName, 0);
  return tenants;
}

std::string Authenticator::tenant_name(std::uint32_t number) const {
  if (number == 0) return std::string(kDefaultTenantName);
  const auto now = published();
  for (const auto& [name, known] : now->accounts.tenants)
    if (known == number) return name;
  return "removed";
}

PrincipalPointer Authenticator::by_token(std::string_view token) const {
  const auto now = published();
  const auto found = now->accounts.users.find_token(token);
  if (found == now->accounts.users.users().end()) return nullptr;
  return now->principals.find(found->first)->second;
}

void Authenticator::by_password(std::string_view name, std::string_view password, Entrance entrance,
                                io::Loop& loop, AuthHandler handler) {
  const auto now = published();
  if (entrance == Entrance::kLoopback && now->anonymous && name == now->anonymous->name) {
    return handler({AuthOutcome::kWelcome, now->anonymous});  // any password will do, as in Redis
  }
  // Nor is there anything to find out where nobody has a password.
  const bool is_hopeless = now->accounts.users.users().empty();
  if (is_hopeless || password.size() > kMaxPasswordBytes || name.size() > kMaxTenantNameBytes) {
    return handler({AuthOutcome::kRefused, nullptr});
  }
  const auto found = now->principals.find(name);
  const User* const user = now->accounts.users.find(name);
  const bool has_password = user != nullptr && !user->password_hash.empty();
  const std::string hash = has_password ? user->password_hash : std::string();
  const PrincipalPointer principal = has_password ? found->second : nullptr;
  const Digest digest = this->digest(name, hash, password);
  if (principal && is_known(principal->name, digest)) {
    return handler({AuthOutcome::kWelcome, principal});
  }
  if (waiting_.fetch_add(1) >= kMaxWaiting) {
    waiting_.fetch_sub(1);
    return handler({AuthOutcome::kBusy, nullptr});
  }
  pool_.run([this, hash, principal, digest, password = ZeroizingString(password), &loop,
             handler = std::move(handler)]() mutable {
    const bool fits = verify_password(principal ? hash : nobodys_hash(), password);
    const bool is_right = fits && principal;
    waiting_.fetch_sub(1);
    if (is_right) remember(principal->name, digest);
    loop.post([handler = std::move(handler),
               outcome = is_right ? AuthOutcome::kWelcome : AuthOutcome::kRefused,
               who = is_right ? principal : nullptr]() mutable {
      handler({outcome, who});
    });
  });
}

/// Of no use to anybody without this process's secret.
Authenticator::Digest Authenticator::digest(std::string_view name, const std::string& hash,
                                            std::string_view password) const {
  crypto_generichash_state state;
  Digest digest;
  crypto_generichash_init(&state, secret_.data(), secret_.size(), digest.size());
  for (const std::string_view part : {name, std::string_view(hash), password}) {
    const std::uint64_t bytes = part.size();
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(&bytes), sizeof bytes);
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(part.data()),
                              part.size());
  }
  crypto_generichash_final(&state, digest.data(), digest.size());
  zeroize(&state, sizeof state);
  return digest;
}

bool Authenticator::is_known(const std::string& name, const Digest& digest) const {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(name);
  return found != known_.end() &&
         sodium_memcmp(found->second.data(), digest.data(), digest.size()) == 0;
}

/// One a user: there are no more than kMaxUsers.
void Authenticator::remember(const std::string& name, const Digest& digest) {
  const std::lock_guard lock(mutex_);
  if (known_.size() >= 2 * kMaxUsers) known_.clear();
  known_[name] = digest;
}

}  // namespace kachel::server
