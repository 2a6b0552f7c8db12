// One segment as an inspection sees it: its own word of itself, checked. Blocking; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/dictionary.h"
#include "engine/format/footer.h"
#include "engine/inspect/store_view.h"
#include "engine/segment.h"
#include "io/file.h"

namespace kachel::inspect {

struct SegmentView {
  std::uint64_t id = 0;
  std::string path;
  std::unique_ptr<io::File> file;
  std::uint64_t file_bytes = 0;
  format::SegmentHeader header;            // where it is damaged, as far as the footer tells
  std::optional<format::Trailer> trailer;  // none: not sealed, damaged, or of version 1
  bool is_sealed = false;                  // has a trailer, if only of version 1
  std::uint64_t data_begin = 0;            // of the records, bytes from the start of the file
  std::uint64_t data_end = 0;  // where the table begins; without a footer, where the file ends
  Dictionary::Pointer dictionary;
};

using OnFinding = std::function<void(Finding)>;

/// Reads header, dictionary and trailer, and reports what is wrong with them. Nothing where there
/// are no records to look for: in a spare, in another store's segment. kIo, kVersion.
Result<std::optional<SegmentView>> open_segment(const StoreView& store, std::uint64_t id,
                                                const OnFinding& report);

/// The table's entries one after the other, in constant memory.
class TableReader {
 public:
  /// `segment` has a trailer and outlives the reader.
  explicit TableReader(const SegmentView& segment);
  ~TableReader();
  /// Nothing after the last one. kCorrupt where an entry, the totals or the padding do not fit;
  /// kIo.
  Result<std::optional<format::RecordSummary>> next();
  /// Reads all of it once. kCorrupt when the checksum does not fit, and then next() is not to be
  /// trusted.
  Result<void> check() const;

 private:
  Result<void> check_end();

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kachel::inspect
