#include "server/log.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <memory>
#include <span>
#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <utility>

namespace kachel::server {
namespace {

// Of the message that this thread is about to log: sinks format on the thread that logs.
thread_local std::span<const LogField> current_fields;

std::string_view name_of(spdlog::level::level_enum level) {
  const spdlog::string_view_t name = spdlog::level::to_string_view(level);
  return {name.data(), name.size()};
}

class JsonLines final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& to) override {
    using std::chrono::floor;
    using std::chrono::milliseconds;
    using std::chrono::seconds;
    const auto time = floor<milliseconds>(message.time);
    const auto whole = floor<seconds>(time);
    boost::json::object line;
    line["time"] =
        fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(whole)),
                    (time - whole).count());
    line["level"] = name_of(message.level);
    line["message"] = std::string_view(message.payload.data(), message.payload.size());
    for (const LogField& field : current_fields)
      line[field.name] = field.value;
    const std::string text = boost::json::serialize(line) + "\n";
    to.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonLines>();
  }
};

bool is_json = false;  // written before there is a second thread

}  // namespace

void set_up_log(const std::string& level, LogFormat format) {
  auto log = spdlog::stderr_color_mt("kacheld");
  is_json = format == LogFormat::kJson;
  if (is_json) {
    log->set_formatter(std::make_unique<JsonLines>());
  } else {
    log->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
  }
  log->set_level(spdlog::level::from_str(level));
  log->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(log));
}

void log_event(spdlog::level::level_enum level, std::string_view message,
               std::initializer_list<LogField> fields) {
  if (!spdlog::should_log(level)) return;
  if (is_json) {
    current_fields = {fields.begin(), fields.size()};
    spdlog::log(level, "{}", message);
    current_fields = {};
    return;
  }
  std::string text(message);
  for (const LogField& field : fields)
    text.append(" ").append(field.name).append("=").append(field.value);
  spdlog::log(level, "{}", text);
}

}  // namespace kachel::server
