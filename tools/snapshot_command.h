// `kachel snapshot create|list|delete`: snapshots of a running server.
#pragma once

#include <string>

namespace kachel::tools {

struct SnapshotRequest {
  std::string name;
  std::string expires;  // a duration; empty: the server's
  bool json = false;
};

// The exit code; what went wrong on stderr.
int run_snapshot_create(const std::string& endpoint, const SnapshotRequest& request);
int run_snapshot_list(const std::string& endpoint, const SnapshotRequest& request);
int run_snapshot_delete(const std::string& endpoint, const SnapshotRequest& request);

}  // namespace kachel::tools
