#include "tools/row_writer.h"

#include <boost/json.hpp>
#include <cstdio>
#include <fmt/format.h>

namespace kachel::tools {
namespace {

void put_text(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

std::string csv_cell(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace

std::string json_quoted(std::string_view text) {
  return boost::json::serialize(boost::json::string(text));
}

RowWriter::RowWriter(RowFormat format, std::vector<Column> columns)
    : format_(format), columns_(std::move(columns)) {
  write_header();
}

void RowWriter::write_header() {
  if (format_ == RowFormat::kJsonLines) return;
  std::string line;
  for (const Column& column : columns_) {
    if (!line.empty()) line += format_ == RowFormat::kCsv ? "," : "  ";
    line += format_ == RowFormat::kCsv ? std::string(column.name)
                                       : fmt::format("{:<{}}", column.name, column.width);
  }
  put_text(line + '\n');
}

void RowWriter::begin(const std::vector<std::string>& cells) {
  std::string line = format_ == RowFormat::kJsonLines ? "{" : "";
  for (std::size_t i = 0; i < columns_.size() && i < cells.size(); ++i) {
    const Column& column = columns_[i];
    const std::string& cell = cells[i];
    if (i > 0) line += format_ == RowFormat::kTable ? "  " : ",";
    switch (format_) {
      case RowFormat::kTable:
        line += column.is_number ? fmt::format("{:>{}}", cell, column.width)
                                 : fmt::format("{:<{}}", cell, column.width);
        break;
      case RowFormat::kCsv:
        line += csv_cell(cell);
        break;
      case RowFormat::kJsonLines:
        line += json_quoted(column.name) + ":";
        line += column.is_number ? (cell.empty() ? "null" : cell) : json_quoted(cell);
        break;
    }
  }
  put_text(line);
}

void RowWriter::append(std::string_view text) {
  put_text(text);
}

void RowWriter::finish() {
  put_text(format_ == RowFormat::kJsonLines ? "}\n" : "\n");
}

void RowWriter::write(const std::vector<std::string>& cells) {
  begin(cells);
  finish();
}

}  // namespace kachel::tools
