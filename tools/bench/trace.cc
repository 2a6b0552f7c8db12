#include "tools/bench/trace.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <unordered_map>

#include "tools/bench/line_reader.h"

namespace kachel::bench {
namespace {

namespace json = boost::json;

class TraceBuilder {
 public:
  explicit TraceBuilder(const TraceOptions& options) : options_(options) {}

  Result<void> take(std::string_view line) {
    ++line_;
    boost::system::error_code code;
    const json::value parsed = json::parse(line, code);
    if (code || !parsed.is_object()) return wrong("no JSON object");
    const json::object& object = parsed.get_object();
    if (const auto timed = read_time(object); !timed) return timed.error();
    const json::value* const key = object.if_contains(options_.key);
    if (key == nullptr) {
      return wrong(
          fmt::format("has no field \"{}\"; name the key's with --trace-key", options_.key));
    }
    if (!key->is_array()) return add(*key);
    for (const json::value& element : key->get_array()) {
      if (const auto added = add(element); !added) return added.error();
    }
    return {};
  }

  Result<Trace> finish() {
    if (trace_.requests.empty()) return invalid(options_.path + " has no requests in it");
    trace_.keys = ids_.size();
    return std::move(trace_);
  }

 private:
  Error wrong(const std::string& what) const {
    return invalid(fmt::format("{}, line {}: {}", options_.path, line_, what));
  }

  Result<void> read_time(const json::object& object) {
    if (options_.time.empty()) return {};
    const json::value* const time = object.if_contains(options_.time);
    if (time == nullptr || !time->is_number()) {
      return wrong(fmt::format(
          "has no number \"{}\"; name the time's field with --trace-time, or give it empty",
          options_.time));
    }
    const double at = time->to_number<double>();
    if (line_ == 1) first_ = at;
    const auto since =
        static_cast<std::int64_t>((at - first_) * static_cast<double>(options_.time_unit_ns));
    now_ns_ = std::max(now_ns_, since);
    return {};
  }

  Result<void> add(const json::value& key) {
    if (trace_.requests.size() == kMaxTraceRequests) {
      return Error{ErrorCode::kTooLarge,
                   fmt::format("{}: more than {} requests", options_.path, kMaxTraceRequests)};
    }
    std::string name = key.is_string() ? std::string(key.get_string()) : json::serialize(key);
    const auto [place, is_new] = ids_.try_emplace(std::move(name), ids_.size());
    trace_.requests.push_back({now_ns_, place->second});
    return {};
  }

  const TraceOptions& options_;
  std::uint64_t line_ = 0;
  double first_ = 0;
  std::int64_t now_ns_ = 0;
  std::unordered_map<std::string, std::uint64_t> ids_;
  Trace trace_;
};

}  // namespace

Result<Trace> read_trace(const TraceOptions& options) {
  TraceBuilder builder(options);
  Result<void> taken;
  const auto read = for_each_line(options.path, [&](std::string_view line) {
    taken = builder.take(line);
    return taken.has_value();
  });
  if (!read) return read.error();
  if (!taken) return taken.error();
  return builder.finish();
}

}  // namespace kachel::bench
