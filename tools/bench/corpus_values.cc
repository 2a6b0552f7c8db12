#include <boost/json.hpp>
#include <fmt/format.h>

#include "io/units.h"
#include "tools/bench/line_reader.h"
#include "tools/bench/random.h"
#include "tools/bench/values.h"

namespace kachel::bench {
namespace {

namespace json = boost::json;

class CorpusValues final : public ValueSource {
 public:
  explicit CorpusValues(const CorpusOptions& options) : options_(options) {}

  std::string_view value(std::uint64_t key, std::vector<char>&) const override {
    const std::uint64_t row = scale(mix64(key ^ mix64(options_.seed)), ends_.size());
    const std::size_t begin = row == 0 ? 0 : ends_[row - 1];
    return std::string_view(texts_).substr(begin, ends_[row] - begin);
  }

  std::string text() const override {
    return fmt::format("{} of {}, {} on average", ends_.size(), options_.path,
                       format_size(texts_.size() / ends_.size()));
  }

  Result<void> read() {
    Result<void> taken;
    const auto done = for_each_line(options_.path, [&](std::string_view line) {
      taken = take(line);
      return taken.has_value() && texts_.size() < options_.limit_bytes;
    });
    if (!done) return done.error();
    if (!taken) return taken.error();
    if (ends_.empty()) return invalid(options_.path + " has no values in it");
    return {};
  }

 private:
  Result<void> take(std::string_view line) {
    if (options_.field.empty()) {
      add(line);
      return {};
    }
    boost::system::error_code code;
    const json::value parsed = json::parse(line, code);
    const json::object* const object = code ? nullptr : parsed.if_object();
    const json::value* const found =
        object == nullptr ? nullptr : object->if_contains(options_.field);
    if (found == nullptr) {
      return invalid(
          fmt::format("{}, line {}: no JSON object with a field \"{}\"; choose another "
                      "with --value-field, or leave it out for the entire line",
                      options_.path, ends_.size() + 1, options_.field));
    }
    if (found->is_string()) {
      add(found->get_string());
    } else {
      add(json::serialize(*found));
    }
    return {};
  }

  void add(std::string_view text) {
    texts_ += text;
    ends_.push_back(texts_.size());
  }

  const CorpusOptions options_;
  std::string texts_;
  std::vector<std::size_t> ends_;
};

}  // namespace

Result<std::unique_ptr<ValueSource>> corpus_values(const CorpusOptions& options) {
  auto values = std::make_unique<CorpusValues>(options);
  if (const auto read = values->read(); !read) return read.error();
  return std::unique_ptr<ValueSource>(std::move(values));
}

}  // namespace kachel::bench
