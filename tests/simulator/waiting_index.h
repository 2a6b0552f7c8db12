// An index whose flush() and compact() have ended when they return. RocksDB does its work on
// threads of its own, while a simulated loop has no time but its own: it would run ahead through
// minutes that the flush never got. So a flush is one step, as it is with MemoryIndex, and so is a
// compaction.
#pragma once

#include <functional>
#include <memory>

#include "engine/index.h"
#include "storage_file_system.h"

namespace kachel::sim {

/// Told, on the thread of the flush, that one begins and that it has ended.
using FlushObserver = std::function<void(bool is_flushing)>;

/// Once the process of `files` is dead, its flushes never end. Aborts when one of the living
/// does not: then nothing would.
IndexFactory waiting(IndexFactory factory, std::shared_ptr<StorageFileSystem> files,
                     FlushObserver observer = {});

}  // namespace kachel::sim
