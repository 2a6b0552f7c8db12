#include <cstring>

#include "engine/audit/tail.h"
#include "engine/audit/verify_all.h"
#include "tests/unit/engine/audit_world.h"

namespace kachel::audit {
namespace {

constexpr std::uint64_t kEntries = 264;  // one bundle, and a tail of several appends

class AuditVerifyAll : public testing::Test {
 protected:
  void SetUp() override {
    auto log = open_log(disk_);
    append_texts(**log, 100);
    ASSERT_TRUE((*log)->checkpoint());
    append_texts(**log, 158);
    for (int i = 0; i < 6; ++i) {
      append_texts(**log, 1);
      if (i == 2) {
        ASSERT_TRUE((*log)->checkpoint());
      }
    }
    ASSERT_TRUE((*log)->checkpoint());
    files_ = audit_files(disk_);
  }

  AuditFindings with(const std::string& path, const std::string& bytes) {
    EXPECT_TRUE(write_over(disk_, path, bytes));
    AuditFindings findings = check_all(disk_);
    EXPECT_TRUE(write_over(disk_, path, files_.at(path)));
    return findings;
  }
  AuditFindings with_bundle(const std::vector<std::string>& entries) {
    std::string bundle;
    for (const std::string& entry : entries)
      append_entry(bundle, entry);
    return with(bundle_path(0), bundle);
  }

  io::MemoryStorage disk_;
  std::map<std::string, std::string> files_;
};

TEST_F(AuditVerifyAll, AWholeLogIsClean) {
  const AuditFindings findings = check_all(disk_);
  EXPECT_TRUE(findings.is_clean()) << text_of(findings);
  EXPECT_EQ(findings.leaves_checked, kEntries);
  EXPECT_EQ(findings.size, kEntries);
  EXPECT_EQ(findings.checkpoints_checked, 5u);  // 0, 100, 261, 264, and the current one
  std::uint64_t bytes = 0;
  for (const auto& [path, text] : files_)
    bytes += text.size();
  EXPECT_EQ(findings.bytes_checked, bytes);
}

TEST_F(AuditVerifyAll, CheckingNothingIsNotClean) {
  io::MemoryStorage empty;
  EXPECT_EQ(verify_all(empty, {kOrigin, {}, {}}).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(empty.create_directory("audit"));
  EXPECT_FALSE(check_all(empty).is_clean());
}

TEST_F(AuditVerifyAll, EveryFlippedByteIsFound) {
  for (const auto& [path, text] : files_) {
    for (std::size_t at = 0; at < text.size(); ++at) {
      std::string bent = text;
      bent[at] = static_cast<char>(bent[at] ^ (1 << at % 8));
      EXPECT_FALSE(with(path, bent).is_clean()) << path << " at " << at;
    }
  }
  EXPECT_TRUE(check_all(disk_).is_clean());
}

// The check of the tail's header has no key: who changes a field makes the check anew.
TEST_F(AuditVerifyAll, AHeaderThatNoKachelWroteIsFound) {
  constexpr std::size_t kChecked = 64 + 32;  // of one bundle
  for (const auto& [offset, value] : {std::pair{8U, 0}, {12U, 0}, {12U, 2}, {24U, 1}, {31U, 128}}) {
    std::string bent = files_.at("audit/tail");
    bent[offset] = static_cast<char>(value);
    const Hash check = sha256(std::string_view(bent).substr(0, kChecked));
    std::memcpy(bent.data() + kChecked, check.data(), check.size());
    const AuditFindings findings = with("audit/tail", bent);
    EXPECT_TRUE(has(findings, FindingKind::kChanged)) << offset << text_of(findings);
  }
}

TEST_F(AuditVerifyAll, EveryFileCutShortOrGoneIsFound) {
  for (const auto& [path, text] : files_) {
    const std::size_t step = std::max<std::size_t>(1, text.size() / 100);
    for (std::size_t bytes = 0; bytes < text.size(); bytes += step)
      EXPECT_FALSE(with(path, text.substr(0, bytes)).is_clean()) << path << " at " << bytes;
    EXPECT_FALSE(with(path, text + "x").is_clean()) << path;
    if (path == "audit/signing.key") continue;  // copies are given away without it
    ASSERT_TRUE(disk_.remove(path));
    EXPECT_FALSE(check_all(disk_).is_clean()) << path;
    ASSERT_TRUE(write_over(disk_, path, text));
  }
}

TEST_F(AuditVerifyAll, AChangedEntryIsTheOnlyFinding) {
  std::vector<std::string> entries = entry_texts(0, 256);
  entries[17] = "{\"entry\":71}";
  entries[200] = "";
  const AuditFindings findings = with_bundle(entries);
  EXPECT_TRUE(has(findings, FindingKind::kChanged, 17));
  EXPECT_TRUE(has(findings, FindingKind::kChanged, 200));
  EXPECT_EQ(findings.findings.size(), 2u) << text_of(findings);
}

TEST_F(AuditVerifyAll, ARemovedEntryIsTheOnlyFinding) {
  for (const std::size_t gone : {0u, 17u, 255u}) {
    std::vector<std::string> entries = entry_texts(0, 256);
    entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(gone));
    const AuditFindings findings = with_bundle(entries);
    EXPECT_TRUE(has(findings, FindingKind::kRemoved, gone));
    EXPECT_EQ(findings.findings.size(), 1u) << text_of(findings);
  }
}

TEST_F(AuditVerifyAll, ReorderedEntriesAreFound) {
  std::vector<std::string> entries = entry_texts(0, 256);
  std::swap(entries[3], entries[250]);
  const AuditFindings findings = with_bundle(entries);
  EXPECT_TRUE(has(findings, FindingKind::kReordered, 3));
  EXPECT_TRUE(has(findings, FindingKind::kReordered, 250));
  EXPECT_EQ(findings.findings.size(), 2u) << text_of(findings);
}

TEST_F(AuditVerifyAll, AnAddedEntryIsFound) {
  std::vector<std::string> entries = entry_texts(0, 256);
  entries.insert(entries.begin() + 9, "never appended");
  EXPECT_TRUE(has(with_bundle(entries), FindingKind::kAdded, 9));
}

/// The tail's appends, each on its own.
std::vector<std::string> frames_of(const std::string& tail) {
  const auto found = find_frames(tail, 0);
  std::vector<std::string> parts{tail.substr(0, found.front().offset)};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::size_t end = i + 1 < found.size() ? found[i + 1].offset : tail.size();
    parts.push_back(tail.substr(found[i].offset, end - found[i].offset));
  }
  return parts;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts)
    text += part;
  return text;
}

TEST_F(AuditVerifyAll, WhatIsMissingFromTheTailIsNamed) {
  const std::string path(kTailPath);
  std::vector<std::string> parts = frames_of(files_.at(path));
  ASSERT_EQ(parts.size(), 8u);  // the header, two entries moved along, six appends
  std::vector<std::string> bent = parts;
  bent.erase(bent.begin() + 4);
  EXPECT_TRUE(has(with(path, joined(bent)), FindingKind::kRemoved, 260));
  bent = parts;
  std::swap(bent[3], bent[5]);
  EXPECT_TRUE(has(with(path, joined(bent)), FindingKind::kReordered));
  bent = parts;
  bent.pop_back();
  bent.pop_back();
  const AuditFindings findings = with(path, joined(bent));
  EXPECT_TRUE(has(findings, FindingKind::kTruncated, 262)) << text_of(findings);
  bent = parts;
  bent[3].back() = 'x';
  bent[6].back() = 'x';
  const AuditFindings both = with(path, joined(bent));
  EXPECT_TRUE(has(both, FindingKind::kRemoved, 259)) << text_of(both);
  EXPECT_TRUE(has(both, FindingKind::kRemoved, 262)) << text_of(both);
}

TEST_F(AuditVerifyAll, ALogRewrittenByWhoHasTheKeyIsToldByACheckpointKeptElsewhere) {
  const std::string kept = files_.at("audit/checkpoint");
  io::MemoryStorage other;
  for (const std::string path : {"audit/signing.key"}) {
    ASSERT_TRUE(other.create_directory("audit"));
    ASSERT_TRUE(write_over(other, path, files_.at(path)));
  }
  auto log = open_log(other);
  ASSERT_TRUE(log) << log.error().message;
  append_texts(**log, 263);
  ASSERT_TRUE((*log)->append("not what it was"));
  ASSERT_TRUE((*log)->checkpoint());
  EXPECT_TRUE(check_all(other).is_clean());
  const AuditFindings findings = check_all(other, {kOrigin, {}, {kept}});
  EXPECT_TRUE(has(findings, FindingKind::kCheckpoint));
}

TEST_F(AuditVerifyAll, AnotherKeyAndAnotherOriginAreFound) {
  io::SeededRandom random(9);
  const Signer other = Signer::generate(kOrigin, random).value();
  const AuditFindings by_key = check_all(disk_, {kOrigin, other.verifier_key(), {}});
  EXPECT_TRUE(has(by_key, FindingKind::kBadKey));
  EXPECT_TRUE(has(by_key, FindingKind::kBadSignature));
  EXPECT_TRUE(has(check_all(disk_, {"kachel/other", {}, {}}), FindingKind::kWrongOrigin));
}

}  // namespace
}  // namespace kachel::audit
