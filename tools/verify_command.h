// `kachel verify audit`: checks the audit log of a store that nobody runs.
#pragma once

#include <string>
#include <vector>

#include "io/error.h"

namespace kachel::tools {

struct AuditCheck {
  std::string data;                      // the data directory
  std::string key;                       // as ReceiptCheck's; empty: the one beside the log
  std::vector<std::string> checkpoints;  // files with signed checkpoints, or receipts
  bool json = false;
};
/// All findings on stdout. The exit code.
int run_verify_audit(const AuditCheck& check);

/// The signed checkpoints in a file: of a receipt every one that its proofs have; any other file is
/// one itself.
Result<std::vector<std::string>> read_checkpoints(const std::string& path);

}  // namespace kachel::tools
