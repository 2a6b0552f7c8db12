#include "engine/audit/audit_log.h"

#include "io/faulty_storage.h"
#include "tests/unit/engine/audit_testing.h"
#include "tests/unit/engine/audit_world.h"

namespace kachel::audit {
namespace {

constexpr std::string_view kTailFile = "audit/tail";

TEST(AuditLog, AnEmptyLogIsSignedAndOpensAgain) {
  io::MemoryStorage disk;
  std::string key;
  {
    const auto log = open_log(disk);
    ASSERT_TRUE(log) << log.error().message;
    EXPECT_TRUE((*log)->created());
    EXPECT_EQ((*log)->size(), 0u);
    EXPECT_EQ((*log)->root(), empty_root());
    key = (*log)->verifier_key().text();
    EXPECT_EQ(*read_file(disk, "audit/signing.pub", 1000), key + "\n");
  }
  const auto log = open_log(disk, 2);
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_FALSE((*log)->created());
  EXPECT_EQ((*log)->verifier_key().text(), key);
  EXPECT_TRUE(check_all(disk).is_clean()) << text_of(check_all(disk));
}

TEST(AuditLog, EntriesAreThereAfterARestart) {
  io::MemoryStorage disk;
  std::uint64_t size = 0;
  PlainTree tree;
  // Over the first bundles, in steps that end before, at and after their ends.
  for (const std::uint64_t count : {1u, 3u, 251u, 1u, 1u, 255u, 256u, 1u, 700u, 0u}) {
    {
      auto log = open_log(disk);
      ASSERT_TRUE(log) << log.error().message;
      ASSERT_EQ((*log)->size(), size);
      append_texts(**log, count);
    }
    for (; tree.size() < size + count;)
      tree.append(entry_text(tree.size()));
    size += count;
    disk.crash();
    auto log = open_log(disk);
    ASSERT_TRUE(log) << log.error().message;
    ASSERT_EQ((*log)->size(), size);
    EXPECT_EQ((*log)->root(), tree.root(size));
    for (std::uint64_t i = 0; i < size; ++i)
      ASSERT_EQ((*log)->entry(i).value(), entry_text(i));
    ASSERT_TRUE((*log)->checkpoint());
    const AuditFindings findings = check_all(disk);
    EXPECT_TRUE(findings.is_clean()) << text_of(findings);
    EXPECT_EQ(findings.leaves_checked, size);
    EXPECT_EQ(findings.root, tree.root(size));
  }
}

TEST(AuditLog, LevelsOfTilesFillUp) {
  io::MemoryStorage disk;
  auto log = open_log(disk);
  ASSERT_TRUE(log);
  PlainTree tree;
  constexpr std::uint64_t kSize = 65536 + 300;
  while ((*log)->size() < kSize) {
    append_texts(**log, std::min<std::uint64_t>(4999, kSize - (*log)->size()));
    if ((*log)->size() > 60'000) {
      ASSERT_TRUE((*log)->checkpoint());
    }
  }
  for (std::uint64_t i = 0; i < kSize; ++i)
    tree.append(entry_text(i));
  log = open_log(disk);
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_EQ((*log)->root(), tree.root(kSize));
  EXPECT_TRUE(*disk.exists("audit/tile/1/000"));
  EXPECT_TRUE(*disk.exists("audit/tile/0/255"));
  for (const std::uint64_t index : {0u, 255u, 256u, 40'000u, 65'535u, 65'536u, 65'835u}) {
    for (const std::uint64_t size : {std::uint64_t{65'536}, kSize}) {
      if (index >= size) continue;
      const auto proof = (*log)->prove(index, size);
      ASSERT_TRUE(proof) << proof.error().message;
      EXPECT_TRUE(verify_inclusion(leaf_hash(entry_text(index)), index, size, tree.root(size),
                                   proof->path));
      EXPECT_EQ((*log)->entry(index).value(), entry_text(index));
    }
    const auto path = (*log)->prove_consistency(index, kSize);
    ASSERT_TRUE(path);
    EXPECT_TRUE(verify_consistency(index, tree.root(index), kSize, tree.root(kSize), *path));
  }
  const AuditFindings findings = check_all(disk);
  EXPECT_TRUE(findings.is_clean()) << text_of(findings);
  EXPECT_EQ(findings.leaves_checked, kSize);
}

TEST(AuditLog, AReceiptHoldsWithoutTheLog) {
  io::MemoryStorage disk;
  auto log = open_log(disk);
  ASSERT_TRUE(log);
  append_texts(**log, 300);
  const auto early = (*log)->receipt(7);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, ErrorCode::kNotFound);
  ASSERT_TRUE((*log)->checkpoint());
  for (const std::uint64_t index : {0u, 7u, 255u, 256u, 299u}) {
    const auto receipt = (*log)->receipt(index);
    ASSERT_TRUE(receipt);
    const auto checkpoint =
        verify_log_proof(*receipt, entry_text(index), (*log)->verifier_key(), kOrigin);
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    EXPECT_EQ(checkpoint->size, 300u);
  }
}

TEST(AuditLog, WhatIsNotThereIsNotFound) {
  io::MemoryStorage disk;
  auto log = open_log(disk);
  append_texts(**log, 3);
  EXPECT_EQ((*log)->entry(3).error().code, ErrorCode::kNotFound);
  EXPECT_EQ((*log)->prove(3, 3).error().code, ErrorCode::kNotFound);
  EXPECT_EQ((*log)->prove(0, 4).error().code, ErrorCode::kNotFound);
  EXPECT_EQ((*log)->prove(0, 0).error().code, ErrorCode::kNotFound);
  EXPECT_EQ((*log)->prove_consistency(0, 4).error().code, ErrorCode::kNotFound);
  EXPECT_EQ((*log)->prove_consistency(2, 1).error().code, ErrorCode::kInvalidArgument);
}

TEST(AuditLog, EntriesOfAnySizeUpToTheLimit) {
  io::MemoryStorage disk;
  auto log = open_log(disk);
  const std::string largest(kMaxEntryBytes, 'x');
  for (int i = 0; i < 130; ++i) {
    ASSERT_TRUE((*log)->append(std::vector<std::string>{largest, "", std::string(1, '\0')}));
  }
  EXPECT_EQ((*log)->append(largest + "x").error().code, ErrorCode::kTooLarge);
  EXPECT_EQ((*log)->append(std::vector<std::string>(300, largest)).error().code,
            ErrorCode::kTooLarge);
  EXPECT_EQ((*log)->append(std::vector<std::string>(kMaxBatchEntries + 1)).error().code,
            ErrorCode::kTooLarge);
  ASSERT_TRUE((*log)->append(std::vector<std::string>(254, largest)));
  log = open_log(disk);
  ASSERT_TRUE(log);
  EXPECT_EQ((*log)->size(), 3u * 130 + 254);
  EXPECT_EQ((*log)->entry(0).value(), largest);
  EXPECT_EQ((*log)->entry(1).value(), "");
}

io::Fault fault_of(io::FaultOp op, int error_number, std::string path,
                   io::FaultKind kind = io::FaultKind::kError) {
  io::Fault fault;
  fault.op = op;
  fault.kind = kind;
  fault.error_number = error_number;
  fault.path_contains = std::move(path);
  return fault;
}

TEST(AuditLog, AfterAFailedSyncNothingIsAppendedUntilItIsOpenedAgain) {
  for (const io::FaultOp op : {io::FaultOp::kWrite, io::FaultOp::kSync}) {
    io::MemoryStorage disk;
    io::FaultyStorage storage(disk);
    auto log = open_log(storage);
    append_texts(**log, 3);
    storage.inject(fault_of(op, EIO, "audit/tail"));
    EXPECT_FALSE((*log)->append("lost"));
    EXPECT_EQ((*log)->size(), 3u);
    const auto refused = (*log)->append("refused");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("until the store is started again"), std::string::npos);
    EXPECT_FALSE((*log)->checkpoint());
    EXPECT_TRUE((*log)->failure());
    EXPECT_EQ((*log)->entry(2).value(), entry_text(2));
    disk.crash();
    log = open_log(disk);
    ASSERT_TRUE(log);
    EXPECT_EQ((*log)->size(), 3u);
    append_texts(**log, 1);
  }
}

TEST(AuditLog, AFailedSyncOfABundleCostsNothingThatWasAppended) {
  for (const std::string path : {"tile/entries", "tile/0", "tail.new"}) {
    for (const io::FaultOp op : {io::FaultOp::kWrite, io::FaultOp::kSync}) {
      io::MemoryStorage disk;
      io::FaultyStorage storage(disk);
      auto log = open_log(storage);
      storage.inject(fault_of(op, EIO, path));
      append_texts(**log, 300);
      EXPECT_EQ(storage.injected(), 1u);
      EXPECT_FALSE((*log)->append("refused"));
      disk.crash();
      log = open_log(disk);
      ASSERT_TRUE(log) << log.error().message;
      EXPECT_EQ((*log)->size(), 300u);
      append_texts(**log, 300);
      EXPECT_TRUE(check_all(disk).is_clean());
    }
  }
}

TEST(AuditLog, AFullDiskIsSurvivedWhereverItStrikes) {
  for (const std::string path :
       {"audit/tail", "tile/entries", "tile/0", "tail.new", "audit/checkpoint"}) {
    for (const io::FaultOp op :
         {io::FaultOp::kWrite, io::FaultOp::kCreate, io::FaultOp::kCreateDirectory}) {
      for (const io::FaultKind kind : {io::FaultKind::kError, io::FaultKind::kShort}) {
        if (kind == io::FaultKind::kShort && op != io::FaultOp::kWrite) continue;
        SCOPED_TRACE(path + " " + std::string(io::name_of(op)));
        io::MemoryStorage disk;
        io::FaultyStorage storage(disk);
        auto log = open_log(storage);
        append_texts(**log, 200);
        ASSERT_TRUE((*log)->checkpoint());
        io::Fault fault = fault_of(op, ENOSPC, path, kind);
        fault.times = 0;
        storage.inject(fault);
        std::uint64_t appended = 200;
        for (int i = 0; i < 4; ++i) {
          const auto done = (*log)->append(entry_texts(appended, 60));
          if (done) appended += 60;
          if (!done) {
            EXPECT_EQ(done.error().code, ErrorCode::kNoSpace);
          }
          static_cast<void>((*log)->checkpoint());
        }
        storage.clear();
        append_texts(**log, 100);
        EXPECT_EQ((*log)->size(), appended + 100);
        ASSERT_TRUE((*log)->checkpoint());
        EXPECT_TRUE(check_all(disk).is_clean()) << text_of(check_all(disk));
        disk.crash();
        log = open_log(disk);
        ASSERT_TRUE(log) << log.error().message;
        EXPECT_EQ((*log)->size(), appended + 100);
        for (std::uint64_t i = 0; i < appended + 100; ++i)
          ASSERT_EQ((*log)->entry(i).value(), entry_text(i));
      }
    }
  }
}

TEST(AuditLog, ATornAppendIsCutOff) {
  io::MemoryStorage disk;
  append_texts(**open_log(disk), 5);
  const std::string tail = *read_file(disk, std::string(kTailFile), kMaxTailBytes);
  append_texts(**open_log(disk), 1);
  const std::string longer = *read_file(disk, std::string(kTailFile), kMaxTailBytes);
  for (std::size_t bytes = tail.size() + 1; bytes < longer.size(); ++bytes) {
    ASSERT_TRUE(write_over(disk, std::string(kTailFile), longer.substr(0, bytes)));
    const AuditFindings findings = check_all(disk);
    EXPECT_TRUE(has(findings, FindingKind::kTornTail, 5));
    EXPECT_EQ(findings.findings.size(), 1u);
    const auto log = open_log(disk);
    ASSERT_TRUE(log) << log.error().message;
    EXPECT_EQ((*log)->size(), 5u);
    EXPECT_EQ((*log)->torn_bytes(), bytes - tail.size());
    append_texts(**log, 1);
    ASSERT_TRUE(open_log(disk));
    EXPECT_EQ(*read_file(disk, std::string(kTailFile), kMaxTailBytes), longer);
  }
}

TEST(AuditLog, EntriesUnderACheckpointAreNotCutOff) {
  io::MemoryStorage disk;
  std::string shorter;
  {
    auto log = open_log(disk);
    append_texts(**log, 5);
    shorter = *read_file(disk, std::string(kTailFile), kMaxTailBytes);
    append_texts(**log, 3);
    ASSERT_TRUE((*log)->checkpoint());
  }
  ASSERT_TRUE(write_over(disk, std::string(kTailFile), shorter));
  const auto log = open_log(disk);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(log.error().message.find("entries 5 to 7"), std::string::npos) << log.error().message;
}

TEST(AuditLog, DamageBehindTheCheckpointIsNoTornAppend) {
  io::MemoryStorage disk;
  std::size_t begin = 0;
  std::size_t end = 0;
  {
    auto log = open_log(disk);
    append_texts(**log, 5);
    begin = read_file(disk, std::string(kTailFile), kMaxTailBytes)->size();
    append_texts(**log, 1);
    end = read_file(disk, std::string(kTailFile), kMaxTailBytes)->size();
    append_texts(**log, 1);
  }
  const std::string tail = *read_file(disk, std::string(kTailFile), kMaxTailBytes);
  for (std::size_t at = begin; at < end; ++at) {
    std::string bent = tail;
    bent[at] = static_cast<char>(bent[at] ^ 4);
    ASSERT_TRUE(write_over(disk, std::string(kTailFile), bent));
    EXPECT_FALSE(check_all(disk).is_clean());
    const auto log = open_log(disk);
    // A length that leads past what follows cannot be told from the remains of an append.
    if (log) {
      EXPECT_TRUE(at >= begin + 16 && at < begin + 20) << at - begin;
    }
    if (!log) {
      EXPECT_EQ(log.error().code, ErrorCode::kCorrupt);
    }
  }
}

TEST(AuditLog, MissingFilesAreNamed) {
  for (const std::string path :
       {"audit/tail", "audit/checkpoint", "audit/checkpoints", "audit/signing.key",
        "audit/signing.pub", "audit/tile/0/000", "audit/tile/entries/000"}) {
    io::MemoryStorage disk;
    {
      auto log = open_log(disk);
      append_texts(**log, 300);
      ASSERT_TRUE((*log)->checkpoint());
    }
    ASSERT_TRUE(disk.remove(path));
    const auto log = open_log(disk);
    ASSERT_FALSE(log) << path;
    EXPECT_NE(log.error().message.find(path), std::string::npos) << log.error().message;
    EXPECT_EQ(log.error().code,
              path == "audit/signing.key" ? ErrorCode::kKeyMissing : ErrorCode::kCorrupt);
  }
}

TEST(AuditLog, AnotherStoresLogIsForeign) {
  io::MemoryStorage disk;
  ASSERT_TRUE(open_log(disk));
  io::SeededRandom random(1);
  const auto log = AuditLog::open(disk, "kachel/ffff", random);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::kForeign);
  EXPECT_EQ(AuditLog::open(disk, "two words", random).error().code, ErrorCode::kForeign);
  io::MemoryStorage empty;
  EXPECT_EQ(AuditLog::open(empty, "two words", random).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace kachel::audit
