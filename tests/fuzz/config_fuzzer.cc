// The configuration file: any text is applied, or refused with an error that names the file.
#include "server/config.h"
#include "tests/fuzz/fuzz.h"

namespace kachel::fuzz {
namespace {

void check_policies(const server::PolicySet& policies) {
  for (const auto& [name, policy] : policies.tenants()) {
    KACHEL_CHECK(server::check_tenant_name(name).has_value(), "a tenant's name of other letters");
    KACHEL_CHECK(!server::find_conflict(policy), "a policy that contradicts itself");
    KACHEL_CHECK(policy.erase_within.count() > 0, "no time to erase within");
    constexpr std::int64_t kNowMs = 1'700'000'000'000;
    KACHEL_CHECK(server::put_expiry(policy, 0, kNowMs).at_ms >= 0, "an expiry before all time");
    KACHEL_CHECK(server::put_erase_by(policy, 0, kNowMs).at_ms >= 0, "erased before all time");
    KACHEL_CHECK(!server::describe(policy).empty(), "a policy that cannot be told");
  }
}

}  // namespace
}  // namespace kachel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kachel;
  const fuzz::Bytes text = fuzz::exact_copy(fuzz::Input(data, size).rest());
  server::Config config;
  try {
    server::apply_config_text(config, fuzz::as_text(text), "kachel.toml");
  } catch (const server::ConfigError& error) {
    KACHEL_CHECK(std::string_view(error.what()).starts_with("kachel.toml:"),
                 "an error does not say where");
    return 0;
  }
  KACHEL_CHECK(config.options.memory_bytes >= kMinMemoryBytes, "memory below its least");
  KACHEL_CHECK(config.options.capacity_bytes >= kMinCapacityBytes, "capacity below its least");
  KACHEL_CHECK(config.threads <= 256 && config.max_clients >= 1, "a number out of its range");
  fuzz::check_policies(config.policy);
  KACHEL_CHECK(!config.listen_host.empty() && !config.log_level.empty(), "an empty text");
  return 0;
}
