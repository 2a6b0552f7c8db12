// Rows of named columns on stdout, one at a time: as a table, JSON Lines or CSV (RFC 4180).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kachel::tools {

enum class RowFormat : std::uint8_t { kTable, kJsonLines, kCsv };

struct Column {
  std::string_view name;
  std::size_t width = 0;  // of a table, characters; longer cells move what follows
  bool is_number = false;
};

class RowWriter {
 public:
  RowWriter(RowFormat format, std::vector<Column> columns);
  /// As many cells as columns. Numbers that are empty are null, or nothing.
  void write(const std::vector<std::string>& cells);
  /// The same, and leaves the row open for one more member of a large size, in JSON Lines and CSV:
  /// what is given to append() stands in it as it is. Then finish().
  void begin(const std::vector<std::string>& cells);
  void append(std::string_view text);
  void finish();

 private:
  void write_header();

  const RowFormat format_;
  const std::vector<Column> columns_;
};

/// In JSON's quotation marks.
std::string json_quoted(std::string_view text);

}  // namespace kachel::tools
