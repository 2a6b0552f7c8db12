#include "bench/policies/results.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <map>

namespace kachel::policies {
namespace {

constexpr int kNameWidth = 14;

double percent(double ratio) {
  return ratio * 100;
}

// Six digits are what a ratio of some 100,000 requests bears.
double rounded(double ratio) {
  return std::round(ratio * 1e6) / 1e6;
}

void add_ratios(boost::json::object& line, const Ratios& ratios) {
  line["object_hit_ratio"] = rounded(ratios.object);
  line["byte_hit_ratio"] = rounded(ratios.byte);
  line["money_saved_ratio"] = rounded(ratios.money);
}

void print_line(std::FILE* out, const boost::json::object& line) {
  std::fprintf(out, "%s\n", boost::json::serialize(line).c_str());
}

template <typename T, typename Name>
std::vector<T> distinct(const std::vector<HotResult>& results, Name name) {
  std::vector<T> names;
  for (const HotResult& result : results)
    if (std::find(names.begin(), names.end(), name(result)) == names.end())
      names.push_back(name(result));
  return names;
}

std::vector<std::string> policies_of(const std::vector<HotResult>& results) {
  return distinct<std::string>(results, [](const HotResult& result) { return result.policy; });
}

/// Of the capacities.
double mean_money(const std::vector<HotResult>& results, const std::string& policy,
                  const std::string& workload) {
  double sum = 0;
  unsigned count = 0;
  for (const HotResult& result : results) {
    if (result.policy != policy || result.workload != workload) continue;
    sum += result.ratios.money;
    ++count;
  }
  return count == 0 ? 0 : sum / count;
}

}  // namespace

void print_json(std::FILE* out, const HotResult& result) {
  boost::json::object line{{"table", "hot"},
                           {"workload", result.workload},
                           {"policy", result.policy},
                           {"capacity_percent", result.percent}};
  add_ratios(line, result.ratios);
  print_line(out, line);
}

void print_json(std::FILE* out, const TierResult& result) {
  boost::json::object line{{"table", "tiers"},          {"workload", result.workload},
                           {"policy", result.policy},   {"admission", result.admission},
                           {"reclaim", result.reclaim}, {"capacity_percent", result.percent}};
  add_ratios(line, result.ratios);
  line["hot_object_hit_ratio"] = rounded(result.hot_ratio);
  line["device_bytes_per_inserted_byte"] = rounded(result.written_per_byte);
  print_line(out, line);
}

void print_table(std::FILE* out, const std::vector<HotResult>& results) {
  const auto capacities =
      distinct<unsigned>(results, [](const HotResult& result) { return result.percent; });
  std::fprintf(out, "%-*s", kNameWidth, "");
  for (const unsigned capacity : capacities)
    std::fprintf(out, " |  obj byte money at %2u %%", capacity);
  std::fprintf(out, "\n");
  for (const std::string& policy : policies_of(results)) {
    std::fprintf(out, "%-*s", kNameWidth, policy.c_str());
    for (const HotResult& result : results) {
      if (result.policy != policy) continue;
      std::fprintf(out, " | %6.2f %6.2f %6.2f   ", percent(result.ratios.object),
                   percent(result.ratios.byte), percent(result.ratios.money));
    }
    std::fprintf(out, "\n");
  }
}

void print_money(std::FILE* out, const std::vector<HotResult>& results) {
  const auto workloads =
      distinct<std::string>(results, [](const HotResult& result) { return result.workload; });
  std::fprintf(out, "%-*s", kNameWidth, "");
  for (const std::string& workload : workloads)
    std::fprintf(out, " | %s", workload.c_str());
  std::fprintf(out, " | mean\n");
  for (const std::string& policy : policies_of(results)) {
    std::fprintf(out, "%-*s", kNameWidth, policy.c_str());
    double sum = 0;
    for (const std::string& workload : workloads) {
      const double money = mean_money(results, policy, workload);
      std::fprintf(out, " | %*.2f", static_cast<int>(workload.size()), percent(money));
      sum += money;
    }
    std::fprintf(out, " | %.2f\n",
                 percent(sum) / static_cast<double>(std::max<std::size_t>(workloads.size(), 1)));
  }
}

void print_means(std::FILE* out, const std::vector<TierResult>& results) {
  struct Mean {
    std::string name;
    Ratios ratios;
    double hot_ratio = 0;
    double written = 0;
    unsigned count = 0;
  };
  std::map<std::string, Mean> by_name;
  for (const TierResult& result : results) {
    char name[80];
    std::snprintf(name, sizeof name, "%-14s %-12s %-10s", result.policy.c_str(),
                  result.admission.c_str(), result.reclaim.c_str());
    Mean& mean = by_name[name];
    mean.name = name;
    mean.ratios.object += result.ratios.object;
    mean.ratios.byte += result.ratios.byte;
    mean.ratios.money += result.ratios.money;
    mean.hot_ratio += result.hot_ratio;
    mean.written += result.written_per_byte;
    ++mean.count;
  }
  std::vector<Mean> means;
  means.reserve(by_name.size());
  for (const auto& [name, mean] : by_name)
    means.push_back(mean);
  std::stable_sort(means.begin(), means.end(),
                   [](const Mean& a, const Mean& b) { return a.ratios.money > b.ratios.money; });
  std::fprintf(out, "%-14s %-12s %-10s | object   byte  money |    hot | written\n", "hot tier",
               "admission", "reclaim");
  for (const Mean& mean : means) {
    const double count = mean.count;
    std::fprintf(out, "%s | %6.2f %6.2f %6.2f | %6.2f | %7.3f\n", mean.name.c_str(),
                 percent(mean.ratios.object) / count, percent(mean.ratios.byte) / count,
                 percent(mean.ratios.money) / count, percent(mean.hot_ratio) / count,
                 mean.written / count);
  }
}

}  // namespace kachel::policies
