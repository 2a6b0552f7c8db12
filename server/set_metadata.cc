#include "server/set_metadata.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <utility>

#include "server/command.h"
#include "server/resp_parser.h"

namespace kachel::server {
namespace {

constexpr std::array<std::pair<std::string_view, Kind>, 3> kKinds{{
    {"blob", Kind::kBlob},
    {"completion", Kind::kCompletion},
    {"embedding", Kind::kEmbedding},
}};

}  // namespace

std::string_view kind_name(Kind kind) {
  for (const auto& [name, value] : kKinds) {
    if (value == kind) return name;
  }
  return "blob";
}

std::string_view tier_name(Tier tier) {
  switch (tier) {
    case Tier::kHot:
      return "hot";
    case Tier::kWriteBuffer:
      return "write_buffer";
    case Tier::kFlash:
      return "flash";
  }
  return "flash";
}

Result<void> set_kind(Metadata& metadata, std::string_view text) {
  for (const auto& [name, value] : kKinds) {
    if (!equals_ignoring_case(text, name)) continue;
    metadata.kind = value;
    return {};
  }
  return invalid("unknown KIND: use completion, embedding or blob");
}

Result<void> set_model(Metadata& metadata, std::string_view text) {
  if (text.size() > kMaxModelBytes) {
    return invalid(
        fmt::format("MODEL is {} bytes long: use at most {}", text.size(), kMaxModelBytes));
  }
  metadata.model = text;
  return {};
}

Result<void> add_subject(Metadata& metadata, std::string_view text) {
  auto& subjects = metadata.subjects;
  if (text.empty() || text.size() > kMaxSubjectBytes) {
    return invalid(
        fmt::format("SUBJECT is {} bytes long: use 1 to {}", text.size(), kMaxSubjectBytes));
  }
  if (std::find(subjects.begin(), subjects.end(), text) != subjects.end()) return {};
  if (subjects.size() == kMaxSubjects) {
    return invalid(fmt::format("too many SUBJECTs: name at most {}", kMaxSubjects));
  }
  subjects.emplace_back(text);
  return {};
}

Result<void> set_erase_by(Metadata& metadata, std::string_view text, std::int64_t now_ms) {
  const auto ms = parse_integer(text);
  if (!ms || *ms <= 0) return invalid("ERASEBY must be a Unix time in milliseconds");
  if (*ms <= now_ms) {
    return invalid("ERASEBY has passed: give a Unix time in milliseconds that lies ahead");
  }
  metadata.erase_by_ms = *ms;
  return {};
}

bool set_amount(std::uint64_t& amount, std::string_view text) {
  const auto number = parse_integer(text);
  if (!number || *number < 0) return false;
  amount = static_cast<std::uint64_t>(*number);
  return true;
}

}  // namespace kachel::server
