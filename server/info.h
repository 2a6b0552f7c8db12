// INFO: the server's numbers in Redis' form, Redis' own fields first, then Kachel's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/store.h"
#include "server/server_state.h"

namespace kachel::server {

/// Whose numbers: with `everybody` those of the whole server, too.
struct InfoScope {
  std::uint32_t tenant = 0;
  bool everybody = false;
};

/// `sections`: names in any case; none, "default", "all" and "everything" mean all of them.
/// Unknown ones give nothing, as in Redis.
std::string render_info(const ServerState& state, const Store& store, const InfoScope& scope,
                        const std::vector<std::string_view>& sections);

/// Resident set of this process, bytes.
std::uint64_t resident_bytes();

}  // namespace kachel::server
