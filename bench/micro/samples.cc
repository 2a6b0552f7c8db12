#include "bench/micro/samples.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "io/random.h"

namespace kachel::micro {
namespace {

constexpr std::size_t kWords = 4096;
constexpr unsigned kShortestWord = 2;
constexpr unsigned kWordLengths = 8;
constexpr double kWordSkew = 1.0;
constexpr std::uint64_t kSeed = 20240229;

std::vector<std::string> make_words() {
  io::SeededRandom random(kSeed);
  std::vector<std::string> words(kWords);
  for (std::string& word : words) {
    const auto length = kShortestWord + random.next() % kWordLengths;
    while (word.size() < length)
      word.push_back(static_cast<char>('a' + random.next() % 26));
    word.push_back(' ');
  }
  return words;
}

/// How much of all draws falls to each number and those before it, 0 to 1.
std::vector<double> zipf_shares(std::size_t items, double skew) {
  std::vector<double> shares(items);
  double sum = 0;
  for (std::size_t i = 0; i < items; ++i)
    shares[i] = sum += 1 / std::pow(static_cast<double>(i + 1), skew);
  for (double& share : shares)
    share /= sum;
  return shares;
}

std::size_t draw(const std::vector<double>& shares, io::SeededRandom& random) {
  const double point = std::ldexp(static_cast<double>(random.next() >> 11), -53);
  const auto found = std::upper_bound(shares.begin(), shares.end(), point);
  return std::min(static_cast<std::size_t>(found - shares.begin()), shares.size() - 1);
}

std::vector<std::function<void()>>& tasks() {
  static std::vector<std::function<void()>> list;
  return list;
}

}  // namespace

std::string sample_text(std::size_t bytes, std::uint64_t seed) {
  static const std::vector<std::string> words = make_words();
  static const std::vector<double> shares = zipf_shares(kWords, kWordSkew);
  io::SeededRandom random(seed);
  std::string text;
  while (text.size() < bytes)
    text += words[draw(shares, random)];
  text.resize(bytes);
  return text;
}

std::vector<std::string> sample_texts(std::size_t count, std::size_t bytes) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i)
    texts.push_back(sample_text(bytes, i + 1));
  return texts;
}

std::string sample_key(std::uint64_t number) {
  std::string digits = std::to_string(number);
  std::string key = "completion:";
  key.append(16 - std::min<std::size_t>(digits.size(), 16), '0');
  return key += digits;
}

std::vector<Mac> sample_macs(std::size_t count, std::uint64_t first) {
  std::vector<Mac> macs;
  for (std::uint64_t i = 0; i < count; ++i)
    macs.push_back(key_mac({}, {}, sample_key(first + i)));
  return macs;
}

std::vector<std::uint32_t> zipf_draws(std::size_t items, double skew, std::size_t draws) {
  const std::vector<double> shares = zipf_shares(items, skew);
  io::SeededRandom random(kSeed);
  std::vector<std::uint32_t> numbers;
  for (std::size_t i = 0; i < draws; ++i)
    numbers.push_back(static_cast<std::uint32_t>(draw(shares, random)));
  return numbers;
}

void at_end(std::function<void()> task) {
  tasks().push_back(std::move(task));
}

void end_samples() {
  for (; !tasks().empty(); tasks().pop_back())
    tasks().back()();
}

}  // namespace kachel::micro
