// Signed notes, checkpoints, proofs and keys, as an auditor's tool reads them from anyone. What
// is read is written the same again; nothing is believed that was not signed.
//
// Input: a byte that says what the rest is (0 note, 1 proof, 2 key, 3 a text that is signed first,
// 4 a proof whose checkpoint is signed first), and that.
#include "engine/audit/verify.h"
#include "tests/fuzz/fuzz.h"

namespace kachel::fuzz {
namespace {

using namespace kachel::audit;

constexpr const char* kOrigin = "kachel/fuzz";

const Signer& signer() {
  static const Signer made = [] {
    io::SeededRandom random(1);
    return Signer::generate(kOrigin, random).value();
  }();
  return made;
}

bool is_clear(const Error& error) {
  return !error.message.empty() &&
         (error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kCorrupt ||
          error.code == ErrorCode::kForeign);
}

void check_note(std::string_view note, std::span<const std::byte> input) {
  const auto text = open_note(note, signer().verifier_key());
  if (!text) {
    KACHEL_CHECK(is_clear(text.error()), "no clear error");
    return;
  }
  KACHEL_CHECK(is_within(*text, input), "a text from beyond the note");
  const auto checkpoint = parse_checkpoint(*text);
  KACHEL_CHECK(!checkpoint || text->starts_with(checkpoint->text()), "reads otherwise");
}

void check_signed(std::string_view text) {
  if (!text.ends_with('\n')) return;
  for (const char c : text) {
    if (c != '\n' && (c < 0x20 || c > 0x7e)) return;  // may not be signed
  }
  const std::string note = signer().sign(text);
  const auto opened = open_note(note, signer().verifier_key());
  KACHEL_CHECK(opened && *opened == text, "what was signed is not believed");
  const auto checkpoint = open_checkpoint(note, signer().verifier_key(), kOrigin);
  KACHEL_CHECK(!checkpoint || text.starts_with(checkpoint->text()), "reads otherwise");
}

void check_proof(std::string_view text, bool signs) {
  auto proof = parse_log_proof(text);
  if (!proof) {
    KACHEL_CHECK(is_clear(proof.error()), "no clear error");
    return;
  }
  KACHEL_CHECK(proof->text() == text, "the proof is written otherwise");
  if (signs) {
    const auto checkpoint = parse_checkpoint(proof->checkpoint);
    if (!checkpoint || checkpoint->size > proof->index + 1) return;
    Checkpoint ours{kOrigin, proof->index + 1, checkpoint->root};
    proof->checkpoint = signer().sign(ours.text());
  }
  const auto verified = verify_log_proof(proof->text(), "entry", signer().verifier_key(), kOrigin);
  KACHEL_CHECK(verified || is_clear(verified.error()), "no clear error");
}

void check_key(std::string_view text) {
  const auto key = parse_verifier_key(text);
  KACHEL_CHECK(!key || key->text() == text, "the key is written otherwise");
  const auto secret = Signer::parse(text);
  KACHEL_CHECK(!secret || secret->text() == text, "the private key is written otherwise");
}

}  // namespace
}  // namespace kachel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kachel::fuzz;
  Input input(data, size);
  const std::uint8_t choice = input.u8();
  const Bytes bytes = exact_copy(input.rest());
  const std::string_view text = as_text(bytes);
  switch (choice % 5) {
    case 0:
      check_note(text, bytes);
      break;
    case 1:
      check_proof(text, false);
      break;
    case 2:
      check_key(text);
      break;
    case 3:
      check_signed(text);
      break;
    default:
      check_proof(text, true);
  }
  return 0;
}
