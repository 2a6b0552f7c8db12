// What the daemon says on standard error: lines for people, or JSON Lines. Never a key, a value or
// a subject.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <spdlog/common.h>
#include <string>
#include <string_view>

namespace kachel::server {

enum class LogFormat : std::uint8_t {
  kText,
  kJson,  // time, level and message, and what log_event() adds
};

/// `level`: as spdlog names it. Once, before anything is said.
void set_up_log(const std::string& level, LogFormat format);

struct LogField {
  std::string_view name;
  std::string value;
};
/// A message with something to look for: the fields follow it as name=value, or are members of the
/// JSON object.
void log_event(spdlog::level::level_enum level, std::string_view message,
               std::initializer_list<LogField> fields);

}  // namespace kachel::server
