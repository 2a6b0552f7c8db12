// The log's promise over crashes: whatever was appended is there, in order, and it opens.
#include <algorithm>

#include "io/faulty_storage.h"
#include "tests/seeds.h"
#include "tests/simulator/choices.h"
#include "tests/unit/engine/audit_world.h"

namespace kachel::audit {
namespace {

/// The world before one change on the storage, and what was promised by then.
struct CrashPoint {
  std::unique_ptr<io::MemoryStorage> disk;
  std::string operation;
  std::uint64_t appended = 0;  // entries
  std::uint64_t under_way = 0;
  std::uint64_t signed_size = 0;
};

/// Runs a script and keeps a copy of the world before every change.
class Recorder {
 public:
  Recorder() : storage_(disk_) {
    storage_.observe([this](const io::Operation& operation) {
      if (!io::changes_storage(operation.op)) return;
      points_.push_back({disk_.clone(),
                         std::string(io::name_of(operation.op)) + " " + std::string(operation.path),
                         appended_, under_way_, signed_});
    });
  }

  void open() {
    log_.reset();
    auto log = open_log(storage_);
    ASSERT_TRUE(log) << log.error().message;
    log_ = std::move(*log);
  }
  void append(std::uint64_t count) {
    under_way_ = count;
    ASSERT_TRUE(log_->append(entry_texts(appended_, count)));
    appended_ += count;
    under_way_ = 0;
  }
  void checkpoint() {
    ASSERT_TRUE(log_->checkpoint());
    signed_ = appended_;
  }
  void crash() {
    log_.reset();
    disk_.crash();
  }
  std::vector<CrashPoint>& points() { return points_; }

 private:
  io::MemoryStorage disk_;
  io::FaultyStorage storage_;
  std::unique_ptr<AuditLog> log_;
  std::uint64_t appended_ = 0;
  std::uint64_t under_way_ = 0;
  std::uint64_t signed_ = 0;
  std::vector<CrashPoint> points_;
};

bool is_crash_trace(const AuditFindings& findings) {
  return std::ranges::all_of(findings.findings, [](const Finding& finding) {
    return finding.kind == FindingKind::kTornTail ||
           (finding.kind == FindingKind::kBadSignature && finding.path == "audit/checkpoints");
  });
}

void check_image(io::MemoryStorage& disk, const CrashPoint& point) {
  if (point.appended > 0) {
    const AuditFindings findings = check_all(disk);
    ASSERT_TRUE(is_crash_trace(findings)) << text_of(findings);
  }
  auto log = open_log(disk);
  ASSERT_TRUE(log) << log.error().message;
  const std::uint64_t size = (*log)->size();
  ASSERT_TRUE(size == point.appended || size == point.appended + point.under_way) << size;
  ASSERT_GE((*log)->last_checkpoint().size, point.signed_size);
  // Not all, there are many images: the bundles' ends and what was last.
  for (std::uint64_t i = 0; i<size; i += size - i> 10 && i > 3 ? 7 : 1)
    ASSERT_EQ((*log)->entry(i).value(), entry_text(i));
  ASSERT_TRUE((*log)->append(entry_text(size)));
  ASSERT_TRUE((*log)->checkpoint());
  const AuditFindings findings = check_all(disk);
  ASSERT_TRUE(findings.is_clean()) << text_of(findings);
  disk.crash();
  log = open_log(disk);
  ASSERT_TRUE(log) << log.error().message;
  ASSERT_EQ((*log)->size(), size + 1);
}

/// Power cuts with each outcome of each unsynced change; and a kill, which loses nothing.
std::size_t check_all_outcomes(const CrashPoint& point) {
  std::size_t images = 0;
  sim::AllChoices choices;
  do {
    auto disk = point.disk->clone();
    sim::WholeWrites outcome(choices);
    disk->crash(outcome);
    ++images;
    check_image(*disk, point);
  } while (!testing::Test::HasFatalFailure() && choices.next());
  if (!testing::Test::HasFatalFailure()) check_image(*point.disk, point);
  return images + 1;
}

void check_points(std::vector<CrashPoint>& points) {
  std::size_t images = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    images += check_all_outcomes(points[i]);
    ASSERT_FALSE(testing::Test::HasFatalFailure())
        << "point " << i << ", before " << points[i].operation << ", image " << images;
  }
  std::printf("%zu crash points, %zu images\n", points.size(), images);
}

TEST(AuditCrash, WhileItIsMade) {
  Recorder recorder;
  recorder.open();
  ASSERT_GT(recorder.points().size(), 15u);
  ASSERT_NO_FATAL_FAILURE(check_points(recorder.points()));
}

TEST(AuditCrash, WhileAppendingAndSigning) {
  Recorder recorder;
  recorder.open();
  recorder.points().clear();
  recorder.append(2);
  recorder.append(60);  // over more than one sector
  recorder.checkpoint();
  recorder.append(1);
  recorder.checkpoint();
  recorder.open();
  recorder.append(1);
  ASSERT_NO_FATAL_FAILURE(check_points(recorder.points()));
}

TEST(AuditCrash, WhileABundleIsFilled) {
  Recorder recorder;
  recorder.open();
  recorder.append(250);
  recorder.checkpoint();
  recorder.points().clear();
  recorder.append(8);
  recorder.append(1);
  recorder.checkpoint();
  recorder.append(254);
  recorder.open();
  ASSERT_NO_FATAL_FAILURE(check_points(recorder.points()));
}

TEST(AuditCrash, WhileAStartMendsWhatACrashLeft) {
  Recorder first;
  first.open();
  first.append(3);
  first.checkpoint();
  first.points().clear();
  first.append(60);
  first.checkpoint();
  std::size_t images = 0;
  for (const CrashPoint& point : first.points()) {
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
      auto disk = point.disk->clone();
      io::SeededRandom random(seed);
      io::KeepAtRandom outcome(random);
      disk->crash(outcome);
      std::vector<CrashPoint> points;
      io::FaultyStorage storage(*disk);
      storage.observe([&](const io::Operation& operation) {
        if (!io::changes_storage(operation.op)) return;
        points.push_back({disk->clone(), {}, point.appended, point.under_way, point.signed_size});
      });
      ASSERT_TRUE(open_log(storage));
      for (const CrashPoint& second : points) {
        images += check_all_outcomes(second);
        ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed;
      }
    }
  }
  std::printf("%zu images\n", images);
}

/// Appends, checkpoints, restarts and crashes by chance, while the disk fails and fills up.
class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed), storage_(disk_, seed) {}

  void run() {
    for (int step = 0; step < 60; ++step) {
      if (!log_) {
        ASSERT_NO_FATAL_FAILURE(start());
      }
      ASSERT_NO_FATAL_FAILURE(act());
    }
  }

 private:
  void act() {
    switch (random_.next() % 12) {
      case 0:
        inject();
        break;
      case 1:
        log_.reset();  // a kill, or a stop
        break;
      case 2: {
        log_.reset();
        io::KeepAtRandom outcome(random_);
        disk_.crash(outcome);
        break;
      }
      case 3:
      case 4:
        if (log_->checkpoint()) signed_ = kept_.size();
        break;
      default:
        append(random_.next() % 4 == 0 ? random_.next() % 300 : random_.next() % 3);
    }
  }

  void inject() {
    constexpr io::FaultOp kOps[] = {io::FaultOp::kWrite,  io::FaultOp::kSync,
                                    io::FaultOp::kCreate, io::FaultOp::kSyncDirectory,
                                    io::FaultOp::kRename, io::FaultOp::kTruncate,
                                    io::FaultOp::kRemove, io::FaultOp::kCreateDirectory};
    io::Fault fault;
    fault.op = kOps[random_.next() % std::size(kOps)];
    fault.error_number = random_.next() % 2 == 0 ? ENOSPC : EIO;
    fault.skip = random_.next() % 8;
    fault.times = 1 + random_.next() % 3;
    if (fault.op == io::FaultOp::kWrite && random_.next() % 2 == 0) {
      fault.kind = io::FaultKind::kShort;
    }
    storage_.inject(fault);
  }

  void append(std::uint64_t count) {
    std::vector<std::string> entries;
    for (std::uint64_t i = 0; i < count; ++i)
      entries.push_back(std::to_string(++made_) + std::string(random_.next() % 40, '.'));
    const auto first = log_->append(entries);
    if (!first) {
      lost_.push_back(std::move(entries));
      return;
    }
    ASSERT_EQ(*first, kept_.size());
    kept_.insert(kept_.end(), entries.begin(), entries.end());
    if (count > 0) lost_.clear();
  }

  void start() {
    storage_.clear();
    io::SeededRandom random(1);
    auto log = AuditLog::open(storage_, kOrigin, random);
    ASSERT_TRUE(log) << log.error().message;
    log_ = std::move(*log);
    ASSERT_GE(log_->size(), kept_.size());
    ASSERT_GE(log_->last_checkpoint().size, signed_);
    for (std::uint64_t i = 0; i < kept_.size(); ++i)
      ASSERT_EQ(log_->entry(i).value(), kept_[i]);
    take_indeterminate();
    const AuditFindings findings = check_all(disk_);
    ASSERT_TRUE(findings.is_clean()) << text_of(findings);
  }

  /// An append that failed may have happened, as a whole.
  void take_indeterminate() {
    std::vector<std::string> more;
    for (std::uint64_t i = kept_.size(); i < log_->size(); ++i)
      more.push_back(log_->entry(i).value());
    ASSERT_TRUE(more.empty() || std::ranges::find(lost_, more) != lost_.end());
    kept_.insert(kept_.end(), more.begin(), more.end());
    lost_.clear();
  }

  io::SeededRandom random_;
  io::MemoryStorage disk_;
  io::FaultyStorage storage_;
  std::unique_ptr<AuditLog> log_;
  std::uint64_t made_ = 0;
  std::uint64_t signed_ = 0;
  std::vector<std::string> kept_;
  std::vector<std::vector<std::string>> lost_;  // since the last append that returned
};

TEST(AuditCrash, RandomHistories) {
  for (std::uint64_t seed = 1; seed <= number_from("KACHEL_SEEDS", 300); ++seed) {
    History history(seed);
    history.run();
    ASSERT_FALSE(HasFatalFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace kachel::audit
