// What is stored under a key: always the same for the same key and seed, so that what is read can
// be checked without remembering what was written.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/error.h"
#include "tools/bench/operation.h"

namespace kachel::bench {

/// Thread-safe: one for all threads. `scratch` is each thread's own.
class ValueSource {
 public:
  virtual ~ValueSource() = default;
  /// Good until the next call with this scratch. Makes no allocation once `scratch` has grown.
  virtual std::string_view value(std::uint64_t key, std::vector<char>& scratch) const = 0;
  /// In a sentence, for the report.
  virtual std::string text() const = 0;
};

struct GeneratedOptions {
  Range size{1024, 1024};      // bytes; of each key one of these, evenly
  double compressibility = 1;  // zstd, level 3, is to make it so many times smaller
  std::uint64_t seed = 0;
};

/// kInvalidArgument where values of that size cannot be made to compress so well.
Result<std::unique_ptr<ValueSource>> generated_values(const GeneratedOptions& options);

struct CorpusOptions {
  std::string path;   // JSON Lines, plain or zstd
  std::string field;  // empty: the entire line
  std::uint64_t seed = 0;
  std::uint64_t limit_bytes = std::uint64_t{1} << 30U;  // the rest of the file is left out
};

Result<std::unique_ptr<ValueSource>> corpus_values(const CorpusOptions& options);

/// How many times smaller zstd makes it, at the level that compressibility is stated for.
double measured_compressibility(std::string_view value);

}  // namespace kachel::bench
