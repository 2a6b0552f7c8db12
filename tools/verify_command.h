// `kachel verify`: checks what is on disk. So far: the audit log.
#pragma once

#include <string>
#include <vector>

namespace kachel::tools {

struct AuditCheck {
  std::string data;                      // the data directory
  std::string key;                       // as ReceiptCheck's; empty: the one beside the log
  std::vector<std::string> checkpoints;  // files with signed checkpoints, or receipts
  bool json = false;
};
/// All findings on stdout. The exit code.
int run_verify_audit(const AuditCheck& check);

}  // namespace kachel::tools
