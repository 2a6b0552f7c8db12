#include "tools/receipt_command.h"

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "engine/audit/receipt.h"
#include "io/units.h"
#include "tools/exit_codes.h"
#include "tools/files.h"
#include "tools/resp_client.h"

namespace kachel::tools {
namespace {

int fail(int code, const std::string& what) {
  std::fprintf(stderr, "kachel receipt: %s\n", what.c_str());
  return code;
}

std::string time_text(std::int64_t ms) {
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}.{:03} UTC", fmt::gmtime(seconds), ms % 1000);
}

struct Key {
  audit::VerifierKey key;
  bool is_own = false;  // the receipt's
};

Result<Key> choose_key(const ReceiptCheck& check, const audit::Receipt& receipt) {
  if (check.key.empty() && check.data.empty()) {
    auto key = audit::parse_verifier_key(receipt.key);
    if (!key) return key.error();
    return Key{std::move(*key), true};
  }
  auto key = read_verifier_key(check.key.empty() ? check.data + "/audit/signing.pub" : check.key);
  if (!key) return key.error();
  return Key{std::move(*key), false};
}

std::string scope_text(const audit::EraseEvent& erase) {
  const std::string whose = fmt::format("tenant {}", erase.tenant);
  if (erase.scope == audit::kTenantScope) return "all of " + whose;
  if (erase.scope == audit::kKeysScope) {
    return fmt::format("{} keys in database {} of {}, {} of them there", erase.targets.size(),
                       erase.database, whose, erase.entries);
  }
  return fmt::format("the {} {} of {}", erase.scope, erase.targets.empty() ? "?" : erase.targets[0],
                     whose);
}

void print(const audit::Receipt& receipt, const audit::VerifiedReceipt& verified, const Key& key) {
  const audit::EraseEvent& erase = verified.erase;
  fmt::print("receipt    {}\n", receipt.id);
  fmt::print("erased     {}\n", scope_text(erase));
  if (!erase.reason.empty()) fmt::print("reason     {}\n", erase.reason);
  fmt::print("fenced     {}: nothing of it is served from then on\n", time_text(erase.time_ms));
  if (const auto& reclaim = verified.reclaim) {
    fmt::print("swept      {}: {} entries out of the index, {} ({}) out of the hot tier\n",
               time_text(reclaim->swept_ms), reclaim->entries, reclaim->hot_entries,
               format_size(reclaim->hot_bytes));
    fmt::print("reclaimed  {}: {} copies ({}) in {} segments, which are gone\n",
               time_text(reclaim->time_ms), reclaim->copies, format_size(reclaim->copy_bytes),
               reclaim->segments.size());
    fmt::print("deadline   {}: {}\n", time_text(reclaim->deadline_ms),
               reclaim->time_ms <= reclaim->deadline_ms ? "kept" : "MISSED");
  } else {
    fmt::print("reclaimed  not yet, as far as this receipt goes\n");
  }
  fmt::print("log        {}, {} entries under the checkpoint\n", receipt.log,
             verified.checkpoint.size);
  fmt::print("key        {}\n", key.key.text());
}

void print_json(const audit::Receipt& receipt, const audit::VerifiedReceipt& verified,
                const Key& key) {
  boost::json::object all{{"id", receipt.id},
                          {"valid", true},
                          {"key_is_trusted", !key.is_own},
                          {"state", receipt.state},
                          {"log", receipt.log},
                          {"checkpoint_entries", verified.checkpoint.size},
                          {"fenced_ms", verified.erase.time_ms}};
  if (verified.reclaim) {
    all["reclaimed_ms"] = verified.reclaim->time_ms;
    all["deadline_ms"] = verified.reclaim->deadline_ms;
    all["copies"] = verified.reclaim->copies;
    all["copy_bytes"] = verified.reclaim->copy_bytes;
  }
  fmt::print("{}\n", boost::json::serialize(all));
}

}  // namespace

int run_receipt_get(const std::string& endpoint, const std::string& id) {
  auto client = RespClient::connect(endpoint);
  if (!client) return fail(kExitIncomplete, client.error().message);
  const auto text = client->ask({"KACHEL.RECEIPT", id});
  if (!text && text.error().code == ErrorCode::kNotFound) {
    return fail(kExitFindings, "the server knows no receipt " + id);
  }
  if (!text) return fail(kExitIncomplete, text.error().message);
  fmt::print("{}\n", *text);
  return kExitClean;
}

int run_receipt_verify(const ReceiptCheck& check) {
  const auto text = read_text(check.file, audit::kMaxReceiptBytes);
  if (!text) return fail(kExitUsage, text.error().message);
  const auto receipt = audit::parse_receipt(*text);
  if (!receipt) return fail(kExitFindings, check.file + ": " + receipt.error().message);
  const auto key = choose_key(check, *receipt);
  if (!key) return fail(kExitUsage, key.error().message);
  const auto verified = audit::verify_receipt(*receipt, key->key);
  if (!verified) return fail(kExitFindings, "NOT VALID: " + verified.error().message);
  if (check.json) {
    print_json(*receipt, *verified, *key);
  } else {
    print(*receipt, *verified, *key);
  }
  if (!key->is_own) return kExitClean;
  return fail(kExitIncomplete,
              "it holds under the key in it, which whoever wrote it has chosen: give the log's key "
              "by --key, or --data");
}

}  // namespace kachel::tools
