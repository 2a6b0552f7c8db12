// The configuration file: any text is applied, or refused with an error that names the file.
#include "server/config.h"
#include "tests/fuzz/fuzz.h"

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
  KACHEL_CHECK(!config.listen_host.empty() && !config.log_level.empty(), "an empty text");
  return 0;
}
