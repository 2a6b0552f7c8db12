// `kachel receipt`: fetches receipts of erases, and checks them without the store.
#pragma once

#include <string>

namespace kachel::tools {

/// The receipt as JSON on stdout. The exit code.
int run_receipt_get(const std::string& endpoint, const std::string& id);

struct ReceiptCheck {
  std::string file;  // "-": standard input
  std::string key;   // a verifier key, or a file that holds one; empty: the one in `data`
  std::string data;  // a data directory; both empty: the receipt's own key, which proves nothing
  bool json = false;
};
/// What the receipt proves on stdout, what it does not on stderr. The exit code: 0 when it holds
/// under a key that does not come from the receipt itself, 3 when it holds under its own.
int run_receipt_verify(const ReceiptCheck& check);

}  // namespace kachel::tools
