// An audit log whose files were damaged. Checking it says so; opening it refuses clearly, or gives
// back the very entries that its checkpoint covers, takes another and keeps it.
//
// Input: damage after damage, each a file, a kind, a place and bytes.
#include <map>

#include "engine/audit/audit_log.h"
#include "engine/audit/files.h"
#include "engine/audit/verify_all.h"
#include "io/memory_storage.h"
#include "tests/fuzz/fuzz.h"

namespace kachel::fuzz {
namespace {

using namespace kachel::audit;

constexpr const char* kOrigin = "kachel/fuzz";
constexpr std::uint64_t kEntries = 262;
constexpr int kMaxDamages = 8;
constexpr std::string_view kPaths[] = {
    "audit/tail",        "audit/checkpoint", "audit/checkpoints",     "audit/signing.key",
    "audit/signing.pub", "audit/tile/0/000", "audit/tile/entries/000"};
using Files = std::map<std::string_view, std::string>;

std::string entry_text(std::uint64_t index) {
  return "entry " + std::to_string(index);
}

std::vector<std::string> entry_texts(std::uint64_t first, std::uint64_t count) {
  std::vector<std::string> entries;
  for (std::uint64_t i = first; i < first + count; ++i)
    entries.push_back(entry_text(i));
  return entries;
}

Result<std::unique_ptr<AuditLog>> open_log(io::Storage& storage) {
  io::SeededRandom random(1);
  return AuditLog::open(storage, kOrigin, random);
}

/// Made on the first call.
const io::MemoryStorage& image() {
  static const auto made = [] {
    auto storage = std::make_unique<io::MemoryStorage>();
    auto log = open_log(*storage).value();
    const auto append = [&](std::uint64_t count) {
      KACHEL_CHECK(log->append(entry_texts(log->size(), count)), "an append failed");
    };
    append(250);
    KACHEL_CHECK(log->checkpoint(), "a checkpoint failed");
    append(9);
    append(1);
    append(2);
    KACHEL_CHECK(log->checkpoint() && log->size() == kEntries, "a checkpoint failed");
    return storage;
  }();
  return *made;
}

const Files& whole_files() {
  static const Files files = [] {
    const auto storage = image().clone();
    Files read;
    for (const std::string_view path : kPaths)
      read[path] = read_file(*storage, std::string(path), kMaxTailBytes).value();
    return read;
  }();
  return files;
}

/// Of the frame or the header that begins there: so that what it says is looked at.
void fix_check(std::string& tail, std::size_t offset) {
  const std::size_t frame = tail.find("KLVS", offset);
  if (frame == std::string::npos || tail.size() - frame < 64) return;
  std::uint32_t body = 0;
  std::memcpy(&body, tail.data() + frame + 16, sizeof body);
  if (body > tail.size() - frame - 64) return;
  const std::string checked = tail.substr(frame, 56) + tail.substr(frame + 64, body);
  const Hash hash = sha256(checked);
  std::memcpy(tail.data() + frame + 56, hash.data(), 8);
}

/// What a later version wrote is no damage: its version stays.
void fix_header(std::string& tail) {
  constexpr std::size_t kChecked = 64 + 32;  // one hash, as the image has it
  if (tail.size() < kChecked + 32) return;
  tail.replace(8, 8, whole_files().at(kPaths[0]), 8, 8);
  const Hash hash = sha256(std::string_view(tail).substr(0, kChecked));
  std::memcpy(tail.data() + kChecked, hash.data(), hash.size());
}

void damage(Files& files, Input& input) {
  std::string& file = files[kPaths[input.u8() % std::size(kPaths)]];
  const std::uint8_t kind = input.u8() % 8;
  const std::size_t at = input.below(file.size() + 1);
  switch (kind) {
    case 0:
      if (at < file.size()) file[at] = static_cast<char>(file[at] ^ (input.u8() | 1));
      break;
    case 1:
      file.resize(at);
      break;
    case 2:
      file.insert(at, input.text(64));
      break;
    case 3:
      file.erase(at, input.u8());
      break;
    case 4: {
      const std::string_view text = input.text(64);
      file.replace(at, text.size(), text);
      break;
    }
    case 5: {
      const std::string& from = whole_files().at(kPaths[input.u8() % std::size(kPaths)]);
      file.insert(at, from, input.below(from.size() + 1), input.u16());
      break;
    }
    case 6:
      fix_check(files[kPaths[0]], at);
      break;
    default:
      fix_header(files[kPaths[0]]);
  }
}

bool is_expected(const Error& error) {
  return !error.message.empty() && error.code != ErrorCode::kIo &&
         error.code != ErrorCode::kNoSpace && error.code != ErrorCode::kAlreadyExists;
}

/// The history may lose what is not its end and the log still be right; a copy has no key.
bool is_altered(const Files& files) {
  for (const auto& [path, text] : files) {
    if (path == "audit/checkpoints" || path == "audit/signing.key") continue;
    if (text != whole_files().at(path)) return true;
  }
  return false;
}

void check_opened(AuditLog& log) {
  // Entries that a checkpoint covers are those that were appended.
  for (std::uint64_t i = 0; i < std::min(kEntries, log.last_checkpoint().size); i += 29) {
    const auto entry = log.entry(i);
    KACHEL_CHECK(entry ? *entry == entry_text(i) : is_expected(entry.error()),
                 "an entry that was not appended");
  }
}

void check_storage(io::Storage& storage) {
  auto log = open_log(storage);
  if (!log) {
    KACHEL_CHECK(is_expected(log.error()), "no clear error");
    return;
  }
  check_opened(**log);
  const std::uint64_t size = (*log)->size();
  const auto appended = (*log)->append("one more");
  KACHEL_CHECK(appended && *appended == size, "an opened log takes no entry");
  KACHEL_CHECK((*log)->checkpoint(), "an opened log is not signed");
  log = open_log(storage);
  KACHEL_CHECK(log && (*log)->size() == size + 1 && (*log)->entry(size).value() == "one more",
               "an entry is lost");
}

}  // namespace
}  // namespace kachel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kachel::fuzz;
  Input input(data, size);
  Files files = whole_files();
  for (int i = 0; i < kMaxDamages && !input.empty(); ++i)
    damage(files, input);
  const auto storage = image().clone();
  for (const auto& [path, text] : files)
    KACHEL_CHECK(write_over(*storage, std::string(path), text), "a file cannot be written");
  const auto findings = verify_all(*storage, {kOrigin, {}, {}});
  KACHEL_CHECK(findings, "the log is there");
  KACHEL_CHECK(!is_altered(files) || !findings->is_clean(), "damage that was not found");
  check_storage(*storage);
  return 0;
}
