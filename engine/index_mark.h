// A mark in the index's own directory that it is damaged: the next start builds it anew from the
// segments. The mark goes with the directory, so it can't outlive what it speaks of.
#pragma once

#include "io/storage.h"

namespace kachel {

/// Durable once this returns. kIo, kNoSpace.
Result<void> condemn_index(io::Storage& storage);
Result<bool> is_index_condemned(io::Storage& storage);
/// For an index that does not live in the directory, and whose wipe leaves it as it is.
Result<void> acquit_index(io::Storage& storage);

}  // namespace kachel
