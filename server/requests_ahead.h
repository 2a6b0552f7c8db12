// Looks into a pipeline, past the request that is parsed: which keys are about to be read.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace kachel::server {

/// The keys of the whole GETs that `input` begins with, in their order and up to the first that is
/// anything else; how many there are. A guess for Worker::foresee(): a request that is not written
/// as client libraries write it ends it, and what the parser will say of them is not asked.
std::size_t gets_ahead(std::string_view input, std::span<std::string_view> keys);

}  // namespace kachel::server
