// Glob matching by backtracking to the last star only: what a star has swallowed before an
// earlier star never needs revisiting, so the time is bounded by pattern times text.
#include "server/arguments.h"

namespace kachel::server {
namespace {

char fold(char c, bool ignore_case) {
  return ignore_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Matches `c` against the class at pattern[at] == '['; moves `at` behind it. An unclosed
/// class ends with the pattern, as in Redis.
bool class_matches(std::string_view pattern, std::size_t& at, char c, bool ignore_case) {
  ++at;
  const bool negated = at < pattern.size() && pattern[at] == '^';
  if (negated) ++at;
  bool found = false;
  const auto folded = static_cast<unsigned char>(fold(c, ignore_case));
  while (at < pattern.size() && pattern[at] != ']') {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      ++at;
      found |= pattern[at] == c;
      ++at;
    } else if (at + 2 < pattern.size() && pattern[at + 1] == '-') {
      auto low = static_cast<unsigned char>(fold(pattern[at], ignore_case));
      auto high = static_cast<unsigned char>(fold(pattern[at + 2], ignore_case));
      if (low > high) std::swap(low, high);
      found |= folded >= low && folded <= high;
      at += 3;
    } else {
      found |= static_cast<unsigned char>(fold(pattern[at], ignore_case)) == folded;
      ++at;
    }
  }
  if (at < pattern.size()) ++at;  // the closing bracket
  return found != negated;
}

/// One pattern element (not a star) against one character.
bool element_matches(std::string_view pattern, std::size_t& at, char c, bool ignore_case) {
  if (pattern[at] == '?') {
    ++at;
    return true;
  }
  if (pattern[at] == '[') return class_matches(pattern, at, c, ignore_case);
  if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
  return fold(pattern[at++], ignore_case) == fold(c, ignore_case);
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text, bool ignore_case) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t after_star = std::string_view::npos;
  std::size_t star_text = 0;  // text up to here is the star's
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      after_star = ++p;
      star_text = t;
      continue;
    }
    if (p < pattern.size() && element_matches(pattern, p, text[t], ignore_case)) {
      ++t;
      continue;
    }
    if (after_star == std::string_view::npos) return false;
    p = after_star;
    t = ++star_text;
  }
  while (p < pattern.size() && pattern[p] == '*')
    ++p;
  return p == pattern.size();
}

}  // namespace kachel::server
