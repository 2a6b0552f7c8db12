#include "engine/audit/note.h"

#include <algorithm>
#include <sodium.h>

#include "engine/audit/text.h"
#include "io/check.h"

namespace kachel::audit {
namespace {

constexpr std::byte kEd25519{1};
constexpr std::string_view kPrivateKey = "PRIVATE+KEY+";
constexpr std::string_view kSignatureLine = "\xe2\x80\x94 ";  // an em dash and a space
constexpr std::size_t kSignatureBytes = 64;
static_assert(crypto_sign_BYTES == kSignatureBytes && crypto_sign_SEEDBYTES == 32);
static_assert(crypto_sign_PUBLICKEYBYTES == 32 && crypto_sign_SECRETKEYBYTES == 64);

unsigned char* raw(std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(bytes);
}
const unsigned char* raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}
const unsigned char* raw(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

KeyId key_id(std::string_view name, std::span<const std::byte, 32> public_key) {
  std::string message(name);
  message += '\n';
  message += static_cast<char>(kEd25519);
  message.append(reinterpret_cast<const char*>(public_key.data()), public_key.size());
  const Hash hash = sha256(message);
  KeyId id;
  std::copy_n(hash.begin(), id.size(), id.begin());
  return id;
}

std::string key_text(const VerifierKey& key, std::span<const std::byte, 32> bytes) {
  std::array<std::byte, 33> typed{kEd25519};
  std::copy(bytes.begin(), bytes.end(), typed.begin() + 1);
  std::string text = key.name + "+" + to_hex(key.id) + "+" + to_base64(typed);
  sodium_memzero(typed.data(), typed.size());
  return text;
}

struct KeyText {
  std::string name;
  std::string_view id;
  std::array<std::byte, 32> bytes{};
};

std::optional<KeyText> parse_key_text(std::string_view text) {
  if (text.size() > kMaxKeyNameBytes + 64) return std::nullopt;
  const std::size_t first = text.find('+');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = text.find('+', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  KeyText key;
  key.name = text.substr(0, first);
  key.id = text.substr(first + 1, second - first - 1);
  auto bytes = from_base64(text.substr(second + 1));
  if (!is_key_name(key.name) || !bytes || bytes->size() != 33 || bytes->front() != kEd25519) {
    return std::nullopt;
  }
  std::copy(bytes->begin() + 1, bytes->end(), key.bytes.begin());
  sodium_memzero(bytes->data(), bytes->size());
  return key;
}

struct Signature {
  std::string_view name;
  std::vector<std::byte> bytes;  // key id, and what the key made of the text
};

std::optional<Signature> parse_signature(std::string_view line) {
  if (!line.starts_with(kSignatureLine)) return std::nullopt;
  line.remove_prefix(kSignatureLine.size());
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  auto bytes = from_base64(line.substr(space + 1));
  if (!is_key_name(line.substr(0, space)) || !bytes || bytes->size() <= sizeof(KeyId)) {
    return std::nullopt;
  }
  return Signature{line.substr(0, space), std::move(*bytes)};
}

bool is_by(const Signature& signature, const VerifierKey& key) {
  return signature.name == key.name &&
         std::equal(key.id.begin(), key.id.end(), signature.bytes.begin());
}

bool fits(const Signature& signature, const VerifierKey& key, std::string_view text) {
  return signature.bytes.size() == sizeof(KeyId) + kSignatureBytes &&
         crypto_sign_verify_detached(raw(signature.bytes.data()) + sizeof(KeyId), raw(text),
                                     text.size(), raw(key.public_key.data())) == 0;
}

Error malformed(const char* why) {
  return {ErrorCode::kInvalidArgument, std::string("this is no signed note: ") + why};
}

}  // namespace

std::string VerifierKey::text() const {
  return key_text(*this, public_key);
}

Result<VerifierKey> parse_verifier_key(std::string_view text) {
  const auto parsed = parse_key_text(text);
  if (parsed) {
    const KeyId id = key_id(parsed->name, parsed->bytes);
    if (to_hex(id) == parsed->id) return VerifierKey{parsed->name, id, parsed->bytes};
  }
  return Error{ErrorCode::kInvalidArgument,
               "this is no verifier key; one looks like `kachel/...+1234abcd+AQ...`"};
}

Signer::Signer(std::string name, std::span<const std::byte, 32> seed) {
  KACHEL_CHECK(sodium_init() >= 0, "libsodium could not be initialised");
  crypto_sign_seed_keypair(raw(verifier_key_.public_key.data()), raw(secret_key_.data()),
                           raw(seed.data()));
  verifier_key_.name = std::move(name);
  verifier_key_.id = key_id(verifier_key_.name, verifier_key_.public_key);
}

Signer::Signer(Signer&& other) noexcept
    : verifier_key_(std::move(other.verifier_key_)), secret_key_(other.secret_key_) {
  sodium_memzero(other.secret_key_.data(), other.secret_key_.size());
}

Signer::~Signer() {
  sodium_memzero(secret_key_.data(), secret_key_.size());
}

Result<Signer> Signer::generate(std::string name, io::Random& random) {
  if (!is_key_name(name) || name.size() > kMaxKeyNameBytes) {
    return Error{ErrorCode::kInvalidArgument,
                 "a key's name has no spaces and no plus, and is not empty"};
  }
  std::array<std::byte, 32> seed;
  random.fill(seed);
  Signer signer(std::move(name), seed);
  sodium_memzero(seed.data(), seed.size());
  return signer;
}

Result<Signer> Signer::parse(std::string_view text) {
  if (text.starts_with(kPrivateKey)) {
    auto parsed = parse_key_text(text.substr(kPrivateKey.size()));
    if (parsed) {
      Signer signer(std::move(parsed->name), parsed->bytes);
      sodium_memzero(parsed->bytes.data(), parsed->bytes.size());
      if (to_hex(signer.verifier_key_.id) == parsed->id) return signer;
    }
  }
  return Error{ErrorCode::kInvalidArgument, "this is no signing key"};
}

std::string Signer::text() const {
  return std::string(kPrivateKey) + key_text(verifier_key_, std::span(secret_key_).first<32>());
}

std::string Signer::sign(std::string_view text) const {
  KACHEL_CHECK(text.ends_with('\n') && is_note_text(text), "a note's text ends in a newline");
  std::array<std::byte, sizeof(KeyId) + kSignatureBytes> signature;
  std::copy(verifier_key_.id.begin(), verifier_key_.id.end(), signature.begin());
  crypto_sign_detached(raw(signature.data()) + sizeof(KeyId), nullptr, raw(text), text.size(),
                       raw(secret_key_.data()));
  std::string note(text);
  note += '\n';
  note += kSignatureLine;
  note += verifier_key_.name + " " + to_base64(signature) + "\n";
  return note;
}

Result<std::string_view> open_note(std::string_view note, const VerifierKey& key) {
  if (note.size() > kMaxNoteBytes) return malformed("it is larger than 1 MiB");
  if (!is_note_text(note)) return malformed("it is not text");
  const std::size_t blank = note.rfind("\n\n");
  if (blank == std::string_view::npos) return malformed("no empty line before the signatures");
  const std::string_view text = note.substr(0, blank + 1);
  std::string_view lines = note.substr(blank + 2);
  if (!lines.ends_with('\n')) return malformed("it does not end in a signature line");
  bool is_verified = false;
  for (std::size_t count = 0; !lines.empty(); ++count) {
    if (count == kMaxNoteSignatures) return malformed("too many signatures");
    const auto signature = parse_signature(*take_line(lines));
    if (!signature) return malformed("a signature line is malformed");
    if (!is_by(*signature, key)) continue;
    if (!fits(*signature, key, text)) {
      return Error{ErrorCode::kCorrupt, "the signature by " + key.name + " does not fit the text"};
    }
    is_verified = true;
  }
  if (!is_verified) {
    return Error{ErrorCode::kCorrupt, "there is no signature by the key " + key.text()};
  }
  return text;
}

}  // namespace kachel::audit
