// Damage to any file of the index, anywhere: opening it says kCorrupt, or what it answers is
// right or an error. Never another row, and never a row missing beside a marker that says that
// it must be there: then recovery rebuilds, or a lookup fails and the entry is a miss.
#include <algorithm>
#include <map>

#include "index_contract.h"
#include "io/random.h"

namespace kachel {
namespace {

constexpr std::uint32_t kRows = 600;

enum class Harm { kRemoved, kEmptied, kHalved, kLastByteCut, kBitFlipped, kSectorZeroed };

void rewrite(io::Storage& storage, const std::string& path, std::vector<std::byte> bytes) {
  const auto file = storage.open(path, io::OpenMode::kReadWrite).value();
  file->truncate(0).value();
  iovec part{bytes.data(), bytes.size()};
  file->write_at(0, {&part, 1}).value();
  file->sync().value();
}

std::vector<std::byte> content(io::Storage& storage, const std::string& path) {
  const auto file = storage.open(path, io::OpenMode::kRead).value();
  std::vector<std::byte> bytes(file->size().value());
  file->read_at(0, bytes).value();
  return bytes;
}

}  // namespace

class IndexDamage : public IndexContract {
 protected:
  /// Two flushed states, so that there is an old one to come back to.
  void fill() {
    for (std::uint64_t state = 1; state <= 2; ++state) {
      std::vector<IndexChange> changes;
      for (std::uint32_t i = 0; i < kRows; ++i)
        changes.push_back({key(i), row(state * 1000 + i)});
      ASSERT_TRUE(index->apply(changes));
      ASSERT_TRUE(index->put_fence(fence({1, 2}, state)));
      ASSERT_TRUE(flush(state, {{7, state, false, {}}}));
    }
    crash();
    for (const std::string& name : backend->storage()->list("index").value())
      intact[name] = content(*backend->storage(), "index/" + name);
  }
  void restore() {
    io::Storage& storage = *backend->storage();
    for (const std::string& name : storage.list("index").value())
      storage.remove("index/" + name).value();
    for (const auto& [name, bytes] : intact) {
      (void)storage.open("index/" + name, io::OpenMode::kCreate).value();
      rewrite(storage, "index/" + name, bytes);
    }
    storage.sync_directory("index").value();
  }
  /// False when there is nothing of this kind to do.
  bool harm(const std::string& name, Harm harm, std::uint64_t where) {
    io::Storage& storage = *backend->storage();
    std::vector<std::byte> bytes = intact[name];
    if (harm == Harm::kRemoved) {
      storage.remove("index/" + name).value();
      return true;
    }
    if (bytes.empty()) return false;
    where %= bytes.size();
    if (harm == Harm::kEmptied) bytes.clear();
    if (harm == Harm::kHalved) bytes.resize(bytes.size() / 2);
    if (harm == Harm::kLastByteCut) bytes.pop_back();
    if (harm == Harm::kBitFlipped) bytes[where] ^= std::byte{1} << (where % 8);
    if (harm == Harm::kSectorZeroed) {
      const std::uint64_t from = where / 512 * 512;
      const std::uint64_t to = std::min<std::uint64_t>(from + 512, bytes.size());
      std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(from),
                bytes.begin() + static_cast<std::ptrdiff_t>(to), std::byte{0});
    }
    rewrite(storage, "index/" + name, std::move(bytes));
    return true;
  }

  void check() {
    const auto opened = try_open({.store_id = store_id()});
    if (!opened) {
      EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt) << opened.error().message;
      ++refused;
      return;
    }
    const auto marker = index->marker();
    const auto counts = index->counts();
    const auto fences = index->fences();
    if (!marker || !counts || !fences || !*marker) {
      ++unusable;
    } else {
      check_rows((*marker)->applied_through);
      EXPECT_EQ(counts->at(0).live_bytes, (*marker)->applied_through);
      EXPECT_EQ(fences->at(0).version, (*marker)->applied_through);
    }
    crash();
  }
  void check_rows(std::uint64_t state) {
    bool failed = false;
    for (std::uint32_t i = 0; i < kRows; ++i) {
      const Lookup seen = find(key(i));
      failed = failed || seen.status == LookupStatus::kFailed;
      if (seen.status == LookupStatus::kFailed) continue;
      ASSERT_EQ(seen.status, LookupStatus::kFound) << i;
      ASSERT_EQ(seen.row, row(state * 1000 + i)) << i;
    }
    const auto listed = index->list({}, {}, kRows + 1);
    EXPECT_TRUE(!listed || listed->size() == kRows);
    ++(failed ? failing : right);
  }

  std::map<std::string, std::vector<std::byte>> intact;
  int refused = 0;
  int unusable = 0;
  int failing = 0;
  int right = 0;
};

TEST_P(IndexDamage, IsFoundOrHarmless) {
  fill();
  io::SeededRandom random(11);
  for (const auto& [name, bytes] : intact) {
    for (const Harm kind : {Harm::kRemoved, Harm::kEmptied, Harm::kHalved, Harm::kLastByteCut,
                            Harm::kBitFlipped, Harm::kSectorZeroed}) {
      const bool has_places = kind == Harm::kBitFlipped || kind == Harm::kSectorZeroed;
      for (int place = 0; place < (has_places ? 12 : 1); ++place) {
        const std::uint64_t where = random.next();
        SCOPED_TRACE(name + " (" + std::to_string(bytes.size()) + " bytes), harm " +
                     std::to_string(static_cast<int>(kind)) + " at " +
                     std::to_string(bytes.empty() ? 0 : where % bytes.size()));
        restore();
        if (!harm(name, kind, where)) continue;
        check();
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_GT(refused, 0);
  EXPECT_GT(failing, 0);
  EXPECT_GT(right, 0);
}

INSTANTIATE_TEST_SUITE_P(Index, IndexDamage, testing::ValuesIn(index_backends_with_files()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace kachel
