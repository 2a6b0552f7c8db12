#include "engine/tenants.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cinttypes>
#include <cstdio>

#include "engine/audit/files.h"
#include "engine/format/bytes.h"
#include "engine/format/checksum.h"

namespace kachel {
namespace {

constexpr std::string_view kPath = "tenants";
constexpr std::string_view kMagic = "kachel tenants 1\n";
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{16} << 20;
constexpr std::uint8_t kTenantNames = 252;  // in the place of a database, as scopes have theirs

Error damaged(const std::string& what) {
  return {ErrorCode::kCorrupt,
          "the file `tenants` " + what +
              "; put it back from a backup of this store, or remove it: tenants keep their "
              "entries, only the names of those that are gone are forgotten"};
}

Result<std::map<std::uint32_t, std::string>> parse(std::string_view text) {
  const std::size_t last = text.rfind("checksum ");
  if (!text.starts_with(kMagic) || last == std::string_view::npos) {
    return damaged("is not one that this version can read");
  }
  if (text.substr(last) != tenants_checksum(text.substr(0, last))) return damaged("is damaged");
  std::map<std::uint32_t, std::string> names;
  text = text.substr(kMagic.size(), last - kMagic.size());
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    std::uint32_t number = 0;
    const auto [end, code] = std::from_chars(line.data(), line.data() + line.size(), number);
    const std::string_view rest(end, static_cast<std::size_t>(line.data() + line.size() - end));
    const bool is_whole = code == std::errc{} && rest.starts_with(' ');
    if (!is_whole || !is_tenant_name(rest.substr(1))) return damaged("is damaged");
    names.emplace(number, rest.substr(1));
  }
  return names;
}

}  // namespace

std::string tenants_checksum(std::string_view text) {
  std::array<char, 17> digits{};
  std::snprintf(digits.data(), digits.size(), "%016" PRIx64,
                format::checksum(format::as_bytes(text), 0));
  return std::string("checksum ").append(digits.data()).append("\n");
}

bool is_tenant_name(std::string_view name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= kMaxTenantNameBytes &&
         std::all_of(name.begin(), name.end(), is_plain);
}

std::uint32_t tenant_number(const MacKey& key, std::string_view name) {
  if (name == kDefaultTenantName) return 0;
  const auto number = static_cast<std::uint32_t>(key_mac(key, {0, kTenantNames}, name).low());
  return std::max<std::uint32_t>(number, 1);
}

Result<std::map<std::uint32_t, std::string>> Tenants::load(io::Storage& storage) {
  const auto text = audit::read_file(storage, std::string(kPath), kMaxFileBytes);
  if (text) return parse(*text);
  if (text.error().code == ErrorCode::kNotFound) return std::map<std::uint32_t, std::string>();
  return text.error();
}

Result<std::uint32_t> Tenants::number_of(std::string_view name) {
  if (!is_tenant_name(name)) {
    return Error{ErrorCode::kInvalidArgument, "a tenant's name has 1 to " +
                                                  std::to_string(kMaxTenantNameBytes) +
                                                  " letters, digits, '_', '-' and '.'"};
  }
  const std::uint32_t number = tenant_number(key_, name);
  if (number == 0) return number;
  const std::lock_guard lock(mutex_);
  if (!is_loaded_) {
    auto names = load(storage_);
    if (!names) return names.error();
    names_ = std::move(*names);
    is_loaded_ = true;
  }
  const auto found = names_.find(number);
  if (found != names_.end() && found->second == name) return number;
  if (found != names_.end()) {
    return Error{ErrorCode::kInvalidArgument,
                 "the tenant '" + std::string(name) + "' can't be told from '" + found->second +
                     "', which this store had before; choose another name"};
  }
  auto names = names_;
  names.emplace(number, name);
  if (auto written = write(names); !written) return written.error();
  names_ = std::move(names);
  return number;
}

/// Durable before anything is stored under a new number.
Result<void> Tenants::write(const std::map<std::uint32_t, std::string>& names) {
  std::string text(kMagic);
  for (const auto& [number, name] : names)
    text.append(std::to_string(number)).append(" ").append(name).append("\n");
  text += tenants_checksum(text);
  return audit::replace_file(storage_, std::string(kPath), text);
}

}  // namespace kachel
