#include "engine/audit/receipt.h"

#include <boost/json.hpp>

namespace kachel::audit {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kReceiptVersion = 1;
constexpr std::size_t kMaxEvents = 64;

Error not_a_receipt(const char* why) {
  return {ErrorCode::kInvalidArgument, std::string("this is no receipt: ") + why};
}

Error untrue(std::string what) {
  return {ErrorCode::kCorrupt, std::move(what)};
}

std::optional<std::string> text_in(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  if (found == nullptr || !found->is_string()) return std::nullopt;
  return std::string(found->get_string());
}

json::object progress_of(const ErasureProgress& progress) {
  return {{"swept_ms", progress.swept_ms},
          {"deadline_ms", progress.deadline_ms},
          {"entries", progress.entries},
          {"copies", progress.copies},
          {"copy_bytes", progress.copy_bytes},
          {"segments", progress.segments},
          {"segments_left", progress.segments_left},
          {"segments_in_snapshots", progress.segments_in_snapshots},
          {"held_copies", progress.held_copies},
          {"held_bytes", progress.held_bytes}};
}

}  // namespace

std::string Receipt::text() const {
  json::object receipt;
  receipt["receipt"] = kReceiptVersion;
  receipt["id"] = id;
  receipt["state"] = state;
  receipt["log"] = log;
  receipt["key"] = key;
  json::array all;
  for (const ProvenLeaf& event : events) {
    json::error_code error;
    json::value leaf = json::parse(event.leaf, error);
    all.push_back(
        {{"event", error ? json::value(event.leaf) : std::move(leaf)}, {"proof", event.proof}});
  }
  receipt["events"] = std::move(all);
  if (progress) receipt["progress"] = progress_of(*progress);
  return json::serialize(receipt);
}

Result<Receipt> parse_receipt(std::string_view text) {
  if (text.size() > kMaxReceiptBytes) return not_a_receipt("it is larger than 1 MiB");
  json::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_object()) return not_a_receipt("it is no JSON object");
  const json::object& object = value.get_object();
  const json::value* version = object.if_contains("receipt");
  if (version == nullptr || !version->is_int64()) return not_a_receipt("it has no \"receipt\"");
  if (version->get_int64() != static_cast<std::int64_t>(kReceiptVersion)) {
    return Error{ErrorCode::kVersion,
                 "this receipt was written by another version of Kachel (its format is " +
                     std::to_string(version->get_int64()) + ", not 1)"};
  }
  Receipt receipt;
  for (auto& [name, member] : {std::pair{"id", &receipt.id}, std::pair{"state", &receipt.state},
                               std::pair{"log", &receipt.log}, std::pair{"key", &receipt.key}}) {
    auto found = text_in(object, name);
    if (!found) return not_a_receipt("its id, state, log or key is missing");
    *member = std::move(*found);
  }
  const json::value* events = object.if_contains("events");
  if (events == nullptr || !events->is_array() || events->get_array().size() > kMaxEvents) {
    return not_a_receipt("it has no list of events");
  }
  for (const json::value& event : events->get_array()) {
    const json::object* parts = event.if_object();
    const json::value* leaf = parts == nullptr ? nullptr : parts->if_contains("event");
    auto proof = parts == nullptr ? std::nullopt : text_in(*parts, "proof");
    if (leaf == nullptr || !proof) return not_a_receipt("an event has no leaf or no proof");
    receipt.events.push_back({json::serialize(*leaf), std::move(*proof)});
  }
  return receipt;
}

Result<VerifiedReceipt> verify_receipt(const Receipt& receipt, const VerifierKey& key) {
  if (receipt.log != key.name) {
    return Error{ErrorCode::kForeign,
                 "the receipt is of the log " + receipt.log + ", the key of " + key.name};
  }
  VerifiedReceipt verified;
  bool has_erase = false;
  for (const ProvenLeaf& event : receipt.events) {
    auto checkpoint = verify_log_proof(event.proof, event.leaf, key, receipt.log);
    if (!checkpoint) return checkpoint.error();
    if (checkpoint->size > verified.checkpoint.size) verified.checkpoint = std::move(*checkpoint);
    auto parsed = parse_leaf(event.leaf);
    if (!parsed) return parsed.error();
    if (auto* erase = std::get_if<EraseEvent>(&*parsed)) {
      if (has_erase) return untrue("the receipt has two erases");
      has_erase = true;
      verified.erase = std::move(*erase);
    } else if (auto* reclaim = std::get_if<ReclaimEvent>(&*parsed)) {
      if (reclaim->id != receipt.id) return untrue("an event is of another erase");
      verified.reclaim = std::move(*reclaim);
    }
  }
  if (!has_erase) return untrue("the receipt has no event of an erase: it proves nothing");
  if (verified.erase.id != receipt.id) return untrue("an event is of another erase");
  if ((receipt.state == "reclaimed") != verified.reclaim.has_value()) {
    return untrue("the receipt says \"" + receipt.state + "\", and its events " +
                  (verified.reclaim ? "that all is reclaimed" : "do not say so"));
  }
  return verified;
}

}  // namespace kachel::audit
