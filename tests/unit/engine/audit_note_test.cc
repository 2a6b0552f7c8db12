// The key and the note of PeterNeumann are those of the Go project's package `note`.
#include <gtest/gtest.h>

#include "engine/audit/note.h"

namespace kachel::audit {
namespace {

constexpr std::string_view kVerifierKey =
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
constexpr std::string_view kSigningKey =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
constexpr std::string_view kText =
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n";
constexpr std::string_view kNote =
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/"
    "SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
constexpr std::string_view kOtherSignature =
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox3"
    "3WWd1RvMc+QQ=\n";

VerifierKey peter() {
  return parse_verifier_key(kVerifierKey).value();
}

TEST(AuditNote, SigningGivesThePublishedNote) {
  const auto signer = Signer::parse(kSigningKey);
  ASSERT_TRUE(signer);
  EXPECT_EQ(signer->sign(kText), kNote);
  EXPECT_EQ(signer->text(), kSigningKey);
  EXPECT_EQ(signer->verifier_key().text(), kVerifierKey);
}

TEST(AuditNote, ThePublishedNoteIsBelieved) {
  EXPECT_EQ(open_note(kNote, peter()).value(), kText);
}

TEST(AuditNote, OtherSignaturesAreIgnored) {
  EXPECT_EQ(open_note(std::string(kNote) + std::string(kOtherSignature), peter()).value(), kText);
  std::string other(kText);
  other += "\n" + std::string(kOtherSignature);
  const auto opened = open_note(other, peter());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
}

TEST(AuditNote, NoAlteredNoteIsBelieved) {
  for (std::size_t i = 0; i < kNote.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string note(kNote);
      note[i] = static_cast<char>(note[i] ^ (1 << bit));
      EXPECT_FALSE(open_note(note, peter())) << i;
    }
    EXPECT_FALSE(open_note(kNote.substr(0, i), peter())) << i;
  }
}

TEST(AuditNote, AKnownKeysWrongSignatureSpoilsTheNote) {
  std::string twice(kNote);
  std::string second(kNote.substr(kNote.rfind("\n\n") + 2));
  second[40] = second[40] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(open_note(twice + second, peter()));
}

TEST(AuditNote, MalformedNotesAreRefused) {
  const std::string signature(kNote.substr(kNote.rfind("\n\n") + 2));
  const std::string text(kText);
  for (const std::string& note :
       {std::string(), text, text + "\n", "\n" + signature, text + signature,
        text + "\n" + signature.substr(0, signature.size() - 1), text + "\n\n" + signature + "\n",
        text + "\n" + signature + "—", text + "\n" + signature + "x",
        text + "\n- PeterNeumann AAAAAAAA\n" + signature,
        text + "\n— Peter+Neumann AAAAAAAA\n" + signature,
        text + "\n— Peter\u00a0Neumann AAAAAAAA\n" + signature,
        text + "\n— PeterNeumann AAAA\n" + signature, text + "\n— PeterNeumann\n" + signature,
        "\x01" + text + "\n" + signature, "\xc0\x80\n" + text + "\n" + signature,
        "\xed\xa0\x80\n" + text + "\n" + signature, "\xff\n" + text + "\n" + signature}) {
    EXPECT_FALSE(open_note(note, peter())) << note;
  }
  std::string many(kNote);
  for (int i = 0; i < 200; ++i)
    many += kOtherSignature;
  EXPECT_FALSE(open_note(many, peter()));
}

TEST(AuditNote, NoAlteredKeyIsTaken) {
  for (std::size_t begin = 0; begin <= kVerifierKey.size(); ++begin) {
    for (std::size_t end = begin; end <= kVerifierKey.size(); ++end) {
      if (begin == 0 && end == kVerifierKey.size()) continue;
      EXPECT_FALSE(parse_verifier_key(kVerifierKey.substr(begin, end - begin)));
    }
  }
  for (std::size_t i = 0; i < kVerifierKey.size(); ++i) {
    std::string key(kVerifierKey);
    ++key[i];
    EXPECT_FALSE(parse_verifier_key(key));
  }
  for (std::size_t i = 0; i < kSigningKey.size(); ++i) {
    std::string key(kSigningKey);
    ++key[i];
    EXPECT_FALSE(Signer::parse(key));
  }
  // Right ids, but too long, and of an unknown kind.
  EXPECT_FALSE(parse_verifier_key(
      "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="));
  EXPECT_FALSE(
      parse_verifier_key("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"));
}

TEST(AuditNote, AKeyIsMadeOnlyWithANameThatFits) {
  io::SeededRandom random(1);
  for (const std::string name : {"", "two words", "a+b", "a\u2003b", "\xff", "a\nb"}) {
    EXPECT_FALSE(Signer::generate(name, random)) << name;
  }
  const auto signer = Signer::generate("kachel/0123", random);
  ASSERT_TRUE(signer);
  EXPECT_EQ(parse_verifier_key(signer->verifier_key().text()).value(), signer->verifier_key());
}

}  // namespace
}  // namespace kachel::audit
