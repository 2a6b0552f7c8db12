#include "tools/stats_command.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <fmt/format.h>
#include <iterator>
#include <optional>
#include <vector>

#include "io/units.h"
#include "tools/exit_codes.h"
#include "tools/resp_client.h"

namespace kachel::tools {
namespace {

struct Field {
  std::string_view name;
  std::string_view value;
};
struct InfoSection {
  std::string_view title;
  std::vector<Field> fields;
};

std::vector<InfoSection> parse_info(std::string_view text) {
  std::vector<InfoSection> sections;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("# ")) {
      sections.push_back({line.substr(2), {}});
    } else if (const std::size_t colon = line.find(':');
               colon != std::string_view::npos && !sections.empty()) {
      sections.back().fields.push_back({line.substr(0, colon), line.substr(colon + 1)});
    }
  }
  return sections;
}

template <typename Number>
std::optional<Number> parse(std::string_view text) {
  Number number{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_size(std::string_view name) {
  return name.ends_with("_bytes") || name.ends_with("bytes_on_disk") ||
         name.starts_with("used_memory") || name == "maxmemory";
}

// Shares of a whole; other ratios may exceed 1.
bool is_share(std::string_view name) {
  return name == "hit_ratio" || name == "hot_hit_ratio" || name == "stored_ratio";
}

bool is_operations(std::string_view name) {
  return name == "device_reads" || name == "device_writes" || name == "device_syncs";
}

std::string with_unit(const Field& field) {
  if (const auto number = parse<std::uint64_t>(field.value)) {
    if (is_size(field.name)) return format_size(*number);
    if (is_operations(field.name)) return fmt::format("{} ops", *number);
    if (field.name.ends_with("_ms")) {
      return format_duration_ms(static_cast<std::int64_t>(*number));
    }
    if (field.name == "uptime_in_seconds") {
      return format_duration_ms(static_cast<std::int64_t>(*number) * 1000);
    }
  } else if (const auto real = parse<double>(field.value)) {
    if (is_share(field.name)) return fmt::format("{:.1f} %", *real * 100);
    if (field.name.ends_with("ratio") || field.name.ends_with("_per_stored_byte")) {
      return fmt::format("{:.2f} x", *real);
    }
  }
  return std::string(field.value);
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  return out + '"';
}

// Versions like 7.2.0 and hexadecimal ids are text, whatever they begin with.
bool is_json_number(std::string_view text) {
  const std::size_t first = text.starts_with('-') ? 1 : 0;
  if (text.size() > first + 1 && text[first] == '0' && text[first + 1] != '.') return false;
  const bool plain = text.find_first_not_of("-0123456789.") == std::string_view::npos;
  return plain && !text.ends_with('.') && (parse<std::int64_t>(text) || parse<double>(text));
}

// A second spelling of the field before it.
bool is_shown(const Field& field) {
  return !field.name.ends_with("_human");
}

}  // namespace

std::string stats_table(std::string_view info) {
  std::string out;
  for (const InfoSection& section : parse_info(info)) {
    if (!out.empty()) out += '\n';
    fmt::format_to(std::back_inserter(out), "{}\n", section.title);
    for (const Field& field : section.fields) {
      if (!is_shown(field)) continue;
      fmt::format_to(std::back_inserter(out), "  {:<32} {}\n", field.name, with_unit(field));
    }
  }
  return out;
}

std::string stats_json(std::string_view info) {
  std::string out = "{";
  for (const InfoSection& section : parse_info(info)) {
    std::string title(section.title);
    std::transform(title.begin(), title.end(), title.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    fmt::format_to(std::back_inserter(out), "{}\n  {}: {{", out.size() > 1 ? "," : "",
                   quote(title));
    bool first = true;
    for (const Field& field : section.fields) {
      if (!is_shown(field)) continue;
      fmt::format_to(std::back_inserter(out), "{}\n    {}: {}", first ? "" : ",", quote(field.name),
                     is_json_number(field.value) ? std::string(field.value) : quote(field.value));
      first = false;
    }
    out += first ? "}" : "\n  }";
  }
  return out + "\n}\n";
}

int run_stats(const std::string& endpoint, bool json) {
  const auto fail = [](const Error& error) {
    fmt::print(stderr, "kachel: {}\n", error.message);
    return error.code == ErrorCode::kInvalidArgument ? kExitUsage : kExitIncomplete;
  };
  auto client = RespClient::connect(endpoint);
  if (!client) return fail(client.error());
  const auto info = client->ask({"INFO"});
  if (!info) {
    fmt::print(stderr, "kachel: {}: {}\n", endpoint, info.error().message);
    return kExitIncomplete;
  }
  fmt::print("{}", json ? stats_json(*info) : stats_table(*info));
  return kExitClean;
}

}  // namespace kachel::tools
