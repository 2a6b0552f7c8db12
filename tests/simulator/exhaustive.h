// The part of the simulator's command line that goes through all small worlds.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace kachel::sim {

struct ExhaustiveArguments {
  bool asked = false;
  bool json = false;
  bool keep_going = false;
  std::uint64_t operations = 2;
  std::uint64_t alphabet = 8;
  std::uint64_t outcomes = 4096;
  std::vector<std::string> modes;  // empty: all; of the others too
  std::vector<std::string> starts;
  std::vector<std::string> paces;
  std::vector<std::string> sequence;  // empty: all
  std::vector<std::size_t> outcome;
  std::int64_t crash_point = -1;  // -1: all
};

void add_exhaustive_options(CLI::App& app, ExhaustiveArguments& arguments);
/// 0: all kept; 1: a promise was broken; 2: an argument is wrong.
int run_exhaustive(const ExhaustiveArguments& arguments);

}  // namespace kachel::sim
