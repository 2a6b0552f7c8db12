#include "engine/audit/verify.h"

#include "engine/audit/text.h"

namespace kachel::audit {
namespace {

constexpr std::string_view kProofHeader = "c2sp.org/tlog-proof@v1";
constexpr std::string_view kExtra = "extra ";
constexpr std::string_view kIndex = "index ";

Error malformed(std::string what, const char* why) {
  return {ErrorCode::kInvalidArgument, std::move(what) + why};
}
Error no_checkpoint(const char* why) {
  return malformed("this is no checkpoint: ", why);
}
Error no_proof(const char* why) {
  return malformed("this is no proof: ", why);
}

Result<std::vector<Hash>> parse_path(std::string_view& rest) {
  std::vector<Hash> path;
  for (;;) {
    const auto line = take_line(rest);
    if (!line) return no_proof("it ends before the checkpoint");
    if (line->empty()) return path;
    const auto hash = hash_from_base64(*line);
    if (!hash) return no_proof("a line is not a hash");
    if (path.size() == kMaxProofHashes) return no_proof("more hashes than a tree has levels");
    path.push_back(*hash);
  }
}

}  // namespace

std::string Checkpoint::text() const {
  return origin + "\n" + std::to_string(size) + "\n" + to_base64(root) + "\n";
}

Result<Checkpoint> parse_checkpoint(std::string_view text) {
  const auto origin = take_line(text);
  const auto size_line = take_line(text);
  const auto root_line = take_line(text);
  if (!origin || !size_line || !root_line) return no_checkpoint("fewer than three lines");
  if (origin->empty()) return no_checkpoint("its origin is empty");
  const auto size = parse_decimal(*size_line);
  if (!size) return no_checkpoint("its second line is not a tree's size");
  const auto root = hash_from_base64(*root_line);
  if (!root) return no_checkpoint("its third line is not a hash");
  while (!text.empty()) {
    const auto extension = take_line(text);
    if (!extension || extension->empty()) return no_checkpoint("an empty line");
  }
  return Checkpoint{std::string(*origin), *size, *root};
}

Result<Checkpoint> open_checkpoint(std::string_view note, const VerifierKey& key,
                                   std::string_view origin) {
  const auto text = open_note(note, key);
  if (!text) return text.error();
  auto checkpoint = parse_checkpoint(*text);
  if (checkpoint && checkpoint->origin != origin) {
    return Error{ErrorCode::kForeign, "the checkpoint is of the log " + checkpoint->origin +
                                          ", not of " + std::string(origin)};
  }
  return checkpoint;
}

std::string LogProof::text() const {
  std::string text(kProofHeader);
  text += '\n';
  if (extra) {
    text += kExtra;
    text += to_base64(std::as_bytes(std::span(*extra))) + "\n";
  }
  text += kIndex;
  text += std::to_string(index) + "\n";
  for (const Hash& hash : path)
    text += to_base64(hash) + "\n";
  return text + "\n" + checkpoint;
}

Result<LogProof> parse_log_proof(std::string_view text) {
  if (text.size() > kMaxNoteBytes) return no_proof("it is larger than 1 MiB");
  LogProof proof;
  if (take_line(text) != kProofHeader) return no_proof("it does not begin as one");
  auto line = take_line(text);
  if (line && line->starts_with(kExtra)) {
    const auto extra = from_base64(line->substr(kExtra.size()));
    if (!extra) return no_proof("its extra data is not base64");
    proof.extra.emplace(reinterpret_cast<const char*>(extra->data()), extra->size());
    line = take_line(text);
  }
  if (!line || !line->starts_with(kIndex)) return no_proof("it has no index");
  const auto index = parse_decimal(line->substr(kIndex.size()));
  if (!index) return no_proof("its index is not a number");
  proof.index = *index;
  auto path = parse_path(text);
  if (!path) return path.error();
  proof.path = std::move(*path);
  proof.checkpoint = text;
  return proof;
}

Result<Checkpoint> verify_log_proof(std::string_view proof, std::string_view entry,
                                    const VerifierKey& key, std::string_view origin) {
  const auto parsed = parse_log_proof(proof);
  if (!parsed) return parsed.error();
  auto checkpoint = open_checkpoint(parsed->checkpoint, key, origin);
  if (!checkpoint) return checkpoint;
  if (!verify_inclusion(leaf_hash(entry), parsed->index, checkpoint->size, checkpoint->root,
                        parsed->path)) {
    return Error{ErrorCode::kCorrupt, "the proof does not lead from this entry, at " +
                                          std::to_string(parsed->index) +
                                          ", to the checkpoint's root"};
  }
  return checkpoint;
}

}  // namespace kachel::audit
