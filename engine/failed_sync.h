// A mark in the data directory that a sync of a segment has failed: SYNC_FAILED.
//
// On Linux an fdatasync that fails leaves the pages that it could not write in the page cache,
// and counts them as written: they can be read until memory is short, no later sync writes them,
// and it succeeds. So the next start, if the host is still up, can't tell what is there from what
// is on the disk, nor what is missing from what was never there. Finding the mark, it judges a
// gap as after a power cut; and what it keeps it writes anew, mark or not (Recovery).
//
// The mark is for the same boot only, and so it need not be durable. Where it can't be made
// there is nothing more to be done: the store has stopped writing.
#pragma once

#include "io/storage.h"

namespace kachel {

void mark_failed_sync(io::Storage& storage);
/// Syncs; leaves the mark when that fails.
Result<void> sync_or_mark(io::Storage& storage, io::File& file);
Result<bool> has_failed_sync(io::Storage& storage);
/// Once all that a start has found is durable.
Result<void> clear_failed_sync(io::Storage& storage);

}  // namespace kachel
