// `kachel restore` and `kachel clone`: a store's directory made of a snapshot.
#pragma once

#include <string>

namespace kachel::tools {

struct CopyRequest {
  std::string snapshot;   // restore: its directory
  std::string from;       // clone: HOST:PORT
  std::string data;       // the new data directory
  std::string connect;    // clone: where a kacheld serves it, or will, before it is complete
  bool replaces = false;  // clone: the other stores no more once this one has it all
  std::string rate;       // a size a second; empty: as fast as it goes
  bool no_verify = false;
  bool json = false;
};

// The exit code; what went wrong on stderr.
int run_restore(const CopyRequest& request);
int run_clone(const CopyRequest& request);

}  // namespace kachel::tools
