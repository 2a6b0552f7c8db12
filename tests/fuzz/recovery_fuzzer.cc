// A start from any directory: it refuses with a clear error, or it opens, and then every value
// it returns is one that was put for that key, byte for byte. What opened serves: it takes a
// write, keeps it over a kill, and opens again.
//
// Input: a byte that says how the store was left, then the damage (damage.h). Without any,
// everything must be there.
#include "tests/fuzz/damage.h"

namespace kachel::fuzz {
namespace {

bool is_refusal(ErrorCode code) {
  switch (code) {
    case ErrorCode::kCorrupt:
    case ErrorCode::kForeign:
    case ErrorCode::kVersion:
    case ErrorCode::kKeyMissing:
    case ErrorCode::kNotFound:
      return true;
    default:
      return false;
  }
}

bool opens(FuzzWorld& world) {
  const auto opened = world.open();
  if (opened) return true;
  if (!is_refusal(opened.error().code)) std::fputs(opened.error().message.c_str(), stderr);
  KACHEL_CHECK(is_refusal(opened.error().code), "refused with an error that is none");
  KACHEL_CHECK(!opened.error().message.empty(), "refused without a word");
  return false;
}

void check_values(FuzzWorld& world, const StoreImage& image) {
  for (const auto& [key, values] : image.put) {
    const auto value = world.get(key);
    KACHEL_CHECK(value.has_value(), "a read fails");
    KACHEL_CHECK(!*value || values.contains(**value), "a value that was never put");
  }
}

void check_everything(FuzzWorld& world, const StoreImage& image) {
  for (const auto& [key, values] : image.put) {
    const auto value = world.get(key);
    const auto expected = image.now.find(key);
    KACHEL_CHECK(value.has_value(), "a read fails");
    KACHEL_CHECK(value->has_value() == (expected != image.now.end()), "lost, or not erased");
    KACHEL_CHECK(!*value || **value == expected->second, "an old value");
  }
}

void check_scan(FuzzWorld& world, const StoreImage& image) {
  std::uint64_t cursor = 0;
  for (std::size_t pages = 0; pages < 64; ++pages) {
    const auto page = world.scan({}, cursor);
    KACHEL_CHECK(page.has_value(), "a scan fails");
    for (const ZeroizingString& key : page->keys)
      KACHEL_CHECK(image.put.contains({{}, std::string(key)}), "a key that was never put");
    cursor = page->cursor;
    if (cursor == 0) return;
  }
  KACHEL_CHECK(false, "a scan does not end");
}

bool takes(FuzzWorld& world, const Key& key, std::string_view value) {
  const auto outcome = world.put(key, value);
  KACHEL_CHECK(outcome.has_value(), "a put fails");
  if (*outcome != PutOutcome::kStored) return false;
  const auto found = world.get(key);
  KACHEL_CHECK(found && *found && **found == value, "what was just put is not there");
  return true;
}

}  // namespace
}  // namespace kachel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kachel::fuzz;
  Input input(data, size);
  StoreImage image = store_image(static_cast<Ending>(input.u8() % kEndings));
  const bool damaged = damage(image, input);
  FuzzWorld world(image);
  if (!opens(world)) {
    KACHEL_CHECK(damaged, "a whole store is refused");
    return 0;
  }
  if (!damaged) check_everything(world, image);
  check_values(world, image);
  check_scan(world, image);
  const Key fresh{{}, "put after the start"};
  const bool kept = takes(world, fresh, "a new value");
  world.advance(2000);  // syncs, seals, flushes, reclaims
  check_values(world, image);
  world.drop();
  const auto again = world.open();
  if (!again) std::fputs(again.error().message.c_str(), stderr);
  KACHEL_CHECK(again.has_value(), "what opened does not open again");
  check_values(world, image);
  if (kept) {
    const auto value = world.get(fresh);
    KACHEL_CHECK(value && *value && **value == "a new value", "an acknowledged put is lost");
  }
  return 0;
}
