#include "engine/audit/verify.h"
#include "tests/unit/engine/audit_testing.h"

namespace kachel::audit {
namespace {

constexpr std::string_view kProofOrigin = "kachel/00112233";

struct Receipt {
  Signer signer;
  std::string entry;
  std::string proof;

  Result<Checkpoint> verify(std::string_view text) const {
    return verify_log_proof(text, entry, signer.verifier_key(), kProofOrigin);
  }
};

Receipt make_receipt(std::string_view extra = {}) {
  io::SeededRandom random(1);
  Signer signer = Signer::generate(std::string(kProofOrigin), random).value();
  PlainTree tree;
  for (int i = 0; i < 11; ++i)
    tree.append("entry " + std::to_string(i));
  LogProof proof;
  if (!extra.empty()) proof.extra = extra;
  proof.index = 6;
  proof.path = *inclusion_path(tree, 6, 11);
  proof.checkpoint = signer.sign(Checkpoint{std::string(kProofOrigin), 11, tree.root(11)}.text());
  return {std::move(signer), "entry 6", proof.text()};
}

TEST(AuditProof, AReceiptHolds) {
  for (const std::string_view extra : {"", "what the entry was made of"}) {
    const Receipt receipt = make_receipt(extra);
    const auto checkpoint = receipt.verify(receipt.proof);
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    EXPECT_EQ(checkpoint->size, 11u);
    const auto parsed = parse_log_proof(receipt.proof);
    EXPECT_EQ(parsed->text(), receipt.proof);
    EXPECT_EQ(parsed->extra.value_or(""), extra);
  }
}

TEST(AuditProof, NoAlteredReceiptHolds) {
  const Receipt receipt = make_receipt();
  for (std::size_t i = 0; i < receipt.proof.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string proof = receipt.proof;
      proof[i] = static_cast<char>(proof[i] ^ (1 << bit));
      EXPECT_FALSE(receipt.verify(proof)) << i;
    }
    EXPECT_FALSE(receipt.verify(receipt.proof.substr(0, i))) << i;
  }
}

TEST(AuditProof, AReceiptIsForItsEntryLogAndKeyOnly) {
  const Receipt receipt = make_receipt();
  const VerifierKey& key = receipt.signer.verifier_key();
  EXPECT_FALSE(verify_log_proof(receipt.proof, "entry 7", key, kProofOrigin));
  const auto foreign = verify_log_proof(receipt.proof, receipt.entry, key, "kachel/other");
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, ErrorCode::kForeign);
  io::SeededRandom random(2);
  const Signer other = Signer::generate(std::string(kProofOrigin), random).value();
  EXPECT_FALSE(verify_log_proof(receipt.proof, receipt.entry, other.verifier_key(), kProofOrigin));
}

TEST(AuditProof, MalformedProofsAreRefused) {
  const std::string hash = "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n";
  std::string many = "c2sp.org/tlog-proof@v1\nindex 0\n";
  for (int i = 0; i < 65; ++i)
    many += hash;
  for (const std::string& text :
       {std::string(), many + "\n", std::string("c2sp.org/tlog-proof@v2\nindex 0\n\n"),
        std::string("c2sp.org/tlog-proof@v1\nindex 00\n\n"),
        std::string("c2sp.org/tlog-proof@v1\nindex -1\n\n"),
        std::string("c2sp.org/tlog-proof@v1\nindex 18446744073709551616\n\n"),
        std::string("c2sp.org/tlog-proof@v1\nindex 9223372036854775808\n\n"),
        std::string("c2sp.org/tlog-proof@v1\nextra ?\nindex 0\n\n"),
        std::string("c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\n")}) {
    EXPECT_FALSE(parse_log_proof(text)) << text;
  }
}

TEST(AuditProof, TheExampleOfTheSpecificationIsRead) {
  const auto proof = parse_log_proof(
      "c2sp.org/tlog-proof@v1\n"
      "index 73894\n"
      "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n"
      "B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n"
      "\n"
      "example.com/fancylog\n109482\nsFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n\n— x y\n");
  ASSERT_TRUE(proof) << proof.error().message;
  EXPECT_EQ(proof->index, 73894u);
  EXPECT_EQ(proof->path.size(), 2u);
  EXPECT_TRUE(proof->checkpoint.starts_with("example.com/fancylog\n"));
  const auto checkpoint = parse_checkpoint(
      "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n");
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->size, 20852163u);
}

}  // namespace
}  // namespace kachel::audit
