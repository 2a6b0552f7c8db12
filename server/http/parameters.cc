#include "server/http/parameters.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "server/set_metadata.h"

namespace kachel::server::http {
namespace {

namespace json = boost::json;

/// Names of people and keys are in it.
class ZeroizingResource final : public json::memory_resource {
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    return ::operator new(bytes, std::align_val_t(alignment));
  }
  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override {
    zeroize(memory, bytes);
    ::operator delete(memory, std::align_val_t(alignment));
  }
  bool do_is_equal(const json::memory_resource& other) const noexcept override {
    return this == &other;
  }
};

void refuse_json(Exchange& exchange, const std::string& why) {
  exchange.refuse({Status::bad_request, "invalid-json", why});
}

}  // namespace

const ZeroizingString* find_parameter(const Exchange& exchange, std::string_view name) {
  const auto found = std::find_if(exchange.query.begin(), exchange.query.end(),
                                  [&](const Parameter& each) { return each.first == name; });
  return found == exchange.query.end() ? nullptr : &found->second;
}

std::optional<Namespace> space_of(Exchange& exchange, Others others) {
  for (const auto& [name, value] : exchange.query) {
    if (others == Others::kAllowed || name == "database") continue;
    exchange.refuse({Status::bad_request, "invalid-request",
                     "unknown parameter; this takes none but database"});
    return std::nullopt;
  }
  std::uint64_t database = 0;
  const ZeroizingString* const given = find_parameter(exchange, "database");
  if (given != nullptr && (!set_amount(database, *given) || database >= kDatabases)) {
    exchange.refuse({Status::bad_request, "invalid-request",
                     fmt::format("database is a number from 0 to {}", kDatabases - 1)});
    return std::nullopt;
  }
  return Namespace{exchange.tenant(), static_cast<std::uint8_t>(database)};
}

std::optional<json::object> json_body(Exchange& exchange,
                                      std::span<const std::string_view> fields) {
  if (exchange.body.size() > kMaxJsonBytes) {
    exchange.refuse({Status::payload_too_large, "body-too-large",
                     fmt::format("send at most {} bytes of JSON", kMaxJsonBytes)});
    return std::nullopt;
  }
  json::error_code error;
  json::value parsed =
      json::parse(exchange.body, error, json::make_shared_resource<ZeroizingResource>());
  if (error || !parsed.is_object()) {
    refuse_json(exchange, "the body is no JSON object");
    return std::nullopt;
  }
  json::object& object = parsed.as_object();
  for (const auto& member : object) {
    if (std::find(fields.begin(), fields.end(), std::string_view(member.key())) != fields.end()) {
      continue;
    }
    refuse_json(exchange, fmt::format("unknown field; the fields are {}", fmt::join(fields, ", ")));
    return std::nullopt;
  }
  return std::move(object);
}

}  // namespace kachel::server::http
