// An audit log on simulated storage, for its tests.
#pragma once

#include <gtest/gtest.h>
#include <map>

#include "engine/audit/audit_log.h"
#include "engine/audit/files.h"
#include "engine/audit/verify_all.h"
#include "io/memory_storage.h"

namespace kachel::audit {

inline constexpr const char* kOrigin = "kachel/00112233445566778899aabbccddeeff";

inline Result<std::unique_ptr<AuditLog>> open_log(io::Storage& storage, std::uint64_t seed = 1) {
  io::SeededRandom random(seed);
  return AuditLog::open(storage, kOrigin, random);
}

inline std::string entry_text(std::uint64_t index) {
  return "{\"entry\":" + std::to_string(index) + "}";
}

inline std::vector<std::string> entry_texts(std::uint64_t first, std::uint64_t count) {
  std::vector<std::string> entries;
  for (std::uint64_t i = 0; i < count; ++i)
    entries.push_back(entry_text(first + i));
  return entries;
}

inline void append_texts(AuditLog& log, std::uint64_t count) {
  const std::uint64_t first = log.size();
  const auto appended = log.append(entry_texts(first, count));
  ASSERT_TRUE(appended) << appended.error().message;
  ASSERT_EQ(*appended, first);
}

inline AuditFindings check_all(io::Storage& storage,
                               AuditExpectations expected = {kOrigin, {}, {}}) {
  auto findings = verify_all(storage, expected);
  EXPECT_TRUE(findings);
  return findings ? std::move(*findings) : AuditFindings{};
}

inline std::string text_of(const AuditFindings& findings) {
  std::string text;
  for (const Finding& finding : findings.findings) {
    text += std::string(finding_name(finding.kind)) + " " + finding.path + " " +
            (finding.entry ? std::to_string(*finding.entry) : "-") + ": " + finding.message + "\n";
  }
  return text;
}

inline bool has(const AuditFindings& findings, FindingKind kind,
                std::optional<std::uint64_t> entry = {}) {
  for (const Finding& finding : findings.findings) {
    if (finding.kind == kind && (!entry || finding.entry == entry)) return true;
  }
  return false;
}

/// By path, all below `directory`.
inline void collect_files(io::Storage& storage, const std::string& directory,
                          std::map<std::string, std::string>& files) {
  for (const std::string& name : *storage.list(directory)) {
    const std::string path = directory + "/" + name;
    auto text = read_file(storage, path, kMaxTailBytes);
    if (text) {
      files[path] = *text;
    } else {
      collect_files(storage, path, files);
    }
  }
}

inline std::map<std::string, std::string> audit_files(io::Storage& storage) {
  std::map<std::string, std::string> files;
  collect_files(storage, "audit", files);
  return files;
}

}  // namespace kachel::audit
