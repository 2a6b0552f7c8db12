// Keys and values of the index: whatever decodes encodes to the same bytes again.
//
// Input: a byte that says which, then the bytes.
#include "engine/row_coding.h"
#include "tests/fuzz/fuzz.h"

namespace kachel::fuzz {
namespace {

void check_same(std::string_view bytes, const std::string& again) {
  KACHEL_CHECK(again == bytes, "there are two ways to write it");
}

/// Those of an earlier version are written in the new way.
void check_counts(const SegmentCounts& counts) {
  const std::string bytes = encode_counts(counts);
  const auto again = decode_counts(counts.segment_id, bytes);
  KACHEL_CHECK(again && again->live == counts.live, "it does not say the same when written again");
  check_same(bytes, encode_counts(*again));
}

constexpr std::size_t kNamespaceFenceKeyBytes = 6;
constexpr std::size_t kScopeFenceKeyBytes = 22;

void check_fence(std::string_view bytes, std::size_t key_bytes) {
  if (bytes.size() < key_bytes) return;
  const auto fence = decode_fence(bytes.substr(0, key_bytes), bytes.substr(key_bytes));
  if (fence) check_same(bytes, encode_fence_key(*fence) + encode_fence(*fence));
}

void check(std::uint8_t choice, std::string_view bytes) {
  switch (choice % 7) {
    case 0:
      if (const auto row = decode_row(bytes)) check_same(bytes, encode_row(*row));
      return;
    case 1:
      if (const auto key = decode_row_key(bytes)) check_same(bytes, encode_row_key(*key));
      return;
    case 2:
      return check_fence(bytes, kNamespaceFenceKeyBytes);
    case 3:
      return check_fence(bytes, kScopeFenceKeyBytes);
    case 4:
      if (const auto marker = decode_marker(bytes)) check_same(bytes, encode_marker(*marker));
      return;
    case 5:
      if (const auto id = decode_counts_key(bytes)) check_same(bytes, encode_counts_key(*id));
      return;
    default:
      if (const auto counts = decode_counts(7, bytes)) check_counts(*counts);
      return;
  }
}

}  // namespace
}  // namespace kachel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kachel::fuzz;
  Input input(data, size);
  const std::uint8_t choice = input.u8();
  const Bytes bytes = exact_copy(input.rest());
  check(choice, as_text(bytes));
  return 0;
}
