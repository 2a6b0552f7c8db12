#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <unordered_map>

#include "bench/policies/engine_policy.h"
#include "bench/policies/prices.h"
#include "bench/policies/trace_file.h"
#include "bench/policies/workloads.h"

namespace kachel::policies {
namespace {

// The engine has keys of 128 bits, and the laboratory numbers.
class Numbers {
 public:
  Key of(const std::string& text) {
    return numbers_.try_emplace(text, numbers_.size()).first->second;
  }

 private:
  std::unordered_map<std::string, Key> numbers_;
};

std::uint64_t number_at(const boost::json::object& line, const char* name) {
  return line.at(name).to_number<std::uint64_t>();
}

std::string_view text_at(const boost::json::object& line, const char* name) {
  return std::string_view(line.at(name).as_string());
}

Request completion_request(Key key, std::uint64_t tokens_in, std::uint64_t tokens_out,
                           Price price) {
  Request request;
  request.key = key;
  request.value_bytes = completion_bytes(tokens_out);
  request.bytes = hot_bytes_of(request.value_bytes);
  request.cost_micro_usd = price.micro_usd(tokens_in, tokens_out);
  return request;
}

/// The same for every request of a key: answers vary, and the cache has the first.
class FirstAnswers {
 public:
  void settle(Request& request) {
    const Request first = first_.try_emplace(request.key, request).first->second;
    request.value_bytes = first.value_bytes;
    request.bytes = first.bytes;
    request.cost_micro_usd = first.cost_micro_usd;
  }

 private:
  std::unordered_map<Key, Request> first_;
};

std::string conversation_path(const std::string& folder) {
  return folder + "/conversation_trace.jsonl.zst";
}

std::int64_t conversation_time_us(const boost::json::object& line) {
  return static_cast<std::int64_t>(number_at(line, "timestamp") * 1000);
}

}  // namespace

Workload agent_completions(const std::string& folder, Pricing pricing) {
  Workload workload;
  const bool is_mixed = pricing == Pricing::kMixed;
  workload.name = is_mixed ? "agent-mixed" : "agent";
  workload.about = is_mixed ? "completions of two agents by prompt, each prompt of one of 4 models"
                            : "completions of two agents by prompt, one model";
  Numbers numbers;
  FirstAnswers answers;
  read_trace(folder + "/agent_trace.jsonl.zst", [&](const boost::json::object& line) {
    const std::string_view prompt = text_at(line, "prompt");
    std::string name(text_at(line, "tenant"));
    name += '\n';
    name += prompt;
    const Key key = numbers.of(name);
    const Price price = is_mixed ? mixed_price_of(key) : kLargeModel;
    Request request =
        completion_request(key, prompt.size() / kBytesPerToken,
                           text_at(line, "completion").size() / kBytesPerToken, price);
    request.time_us = line.at("time_us").to_number<std::int64_t>();
    answers.settle(request);
    workload.requests.push_back(request);
  });
  return workload;
}

Workload conversation_completions(const std::string& folder) {
  Workload workload;
  workload.name = "chat-prompts";
  workload.about = "completions of chats by the whole prompt, one model; few come twice";
  Numbers numbers;
  FirstAnswers answers;
  read_trace(conversation_path(folder), [&](const boost::json::object& line) {
    std::string name;
    for (const boost::json::value& hash : line.at("hash_ids").as_array()) {
      name += std::to_string(hash.to_number<std::uint64_t>());
      name += ' ';
    }
    Request request = completion_request(numbers.of(name), number_at(line, "input_length"),
                                         number_at(line, "output_length"), kLargeModel);
    request.time_us = conversation_time_us(line);
    answers.settle(request);
    workload.requests.push_back(request);
  });
  return workload;
}

Workload conversation_blocks(const std::string& folder) {
  // What a block takes is another matter with each model. That all take the same is what counts.
  constexpr std::uint64_t kBlockBytes = 1024;
  constexpr std::uint64_t kBlockTokens = 512;
  Workload workload;
  workload.name = "chat-blocks";
  workload.about = "blocks of 512 tokens of chats' prompts, all of one size and price";
  const std::uint64_t bytes = hot_bytes_of(kBlockBytes);
  const std::uint64_t cost = kLargeModel.micro_usd(kBlockTokens, 0);
  read_trace(conversation_path(folder), [&](const boost::json::object& line) {
    const std::int64_t time_us = conversation_time_us(line);
    for (const boost::json::value& hash : line.at("hash_ids").as_array()) {
      workload.requests.push_back(
          {time_us, hash.to_number<Key>(), kBlockBytes, bytes, cost, kNoKey});
    }
  });
  return workload;
}

}  // namespace kachel::policies
