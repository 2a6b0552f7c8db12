// Signed notes (https://c2sp.org/signed-note), with Ed25519 keys: text that names who signed it.
// Any thread. Reading bears input from anyone.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "io/error.h"
#include "io/random.h"

namespace kachel::audit {

inline constexpr std::size_t kMaxNoteBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxNoteSignatures = 100;
inline constexpr std::size_t kMaxKeyNameBytes = 512;

using KeyId = std::array<std::byte, 4>;

/// Whose signatures to believe. As text: `name+8 hex digits of the id+base64(0x01 | public key)`.
struct VerifierKey {
  std::string name;
  KeyId id{};
  std::array<std::byte, 32> public_key{};

  std::string text() const;
  friend bool operator==(const VerifierKey&, const VerifierKey&) = default;
};
Result<VerifierKey> parse_verifier_key(std::string_view text);

/// A private key; as text `PRIVATE+KEY+name+id+base64(0x01 | seed)`. Wiped when it goes.
class Signer {
 public:
  /// kInvalidArgument when `name` cannot name a key.
  static Result<Signer> generate(std::string name, io::Random& random);
  static Result<Signer> parse(std::string_view text);
  Signer(Signer&& other) noexcept;
  Signer& operator=(Signer&&) = delete;
  ~Signer();

  const VerifierKey& verifier_key() const { return verifier_key_; }
  std::string text() const;
  /// The note: `text`, which ends in a newline, with this key's signature.
  std::string sign(std::string_view text) const;

 private:
  Signer(std::string name, std::span<const std::byte, 32> seed);

  VerifierKey verifier_key_;
  std::array<std::byte, 64> secret_key_{};  // seed, public key
};

/// The text of the note, which `note` must outlive. kInvalidArgument when it is no note; kCorrupt
/// when it bears no signature by `key`, or one that does not fit. Other keys' are ignored.
Result<std::string_view> open_note(std::string_view note, const VerifierKey& key);

}  // namespace kachel::audit
