// Lines of JSON in a zstd frame.
#pragma once

#include <boost/json/value.hpp>
#include <functional>
#include <string>

namespace kachel::policies {

/// Each line as JSON, in order. Throws std::runtime_error that says what is wrong with the file.
void read_trace(const std::string& path,
                const std::function<void(const boost::json::object&)>& visit);

}  // namespace kachel::policies
