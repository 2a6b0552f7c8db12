// What values say about themselves, in the forms in which clients store them.
#include "server/attribution.h"

#include <gtest/gtest.h>

namespace kachel::server {
namespace {

// As OpenAI's API answers, shortened.
const std::string open_ai_answer =
    R"({"id":"chatcmpl-1","object":"chat.completion","created":1720000000,)"
    R"("model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant",)"
    R"("content":"It's \"fine\": {\"usage\": {\"prompt_tokens\": 999}}\n","tool_calls":)"
    R"([{"function":{"arguments":{"model":"Ford T","usage":{"prompt_tokens":1}}}}]},)"
    R"("logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":19,)"
    R"("completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":7}},)"
    R"("system_fingerprint":"fp_1"})";

std::string as_json_string(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

void expect(std::string_view value, std::string_view model, std::uint64_t in, std::uint64_t out) {
  const auto found = attribution_of(value);
  ASSERT_TRUE(found) << value;
  EXPECT_EQ(found->model, model) << value;
  EXPECT_EQ(found->tokens_in, in) << value;
  EXPECT_EQ(found->tokens_out, out) << value;
}

TEST(AttributionTest, RawAnswers) {
  expect(open_ai_answer, "gpt-4o-mini-2024-07-18", 19, 10);
  expect(R"({"id":"msg_1","type":"message","model":"claude-x","content":[{"type":"text",)"
         R"("text":"hi"}],"usage":{"input_tokens":5,"output_tokens":6}})",
         "claude-x", 5, 6);
  expect(R"( { "usage" : { "prompt_tokens" : 8 , "total_tokens" : 8 } , "model" : "embed-1" } )",
         "embed-1", 8, 0);
}

TEST(AttributionTest, LiteLlm) {
  const std::string json =
      R"({"timestamp": 1720000000.123, "response": )" + as_json_string(open_ai_answer) + "}";
  expect(json, "gpt-4o-mini-2024-07-18", 19, 10);
  expect(R"({"timestamp": 1.5, "response": {"model": "m", "usage": {"prompt_tokens": 1,)"
         R"( "completion_tokens": 2}}})",
         "m", 1, 2);
  // str() of the dict: a Python literal.
  std::string repr = "{'timestamp': 1720000000.123, 'response': '";
  for (const char c : open_ai_answer) {
    if (c == '\'' || c == '\\') repr += '\\';
    repr += c;
  }
  expect(repr + "'}", "gpt-4o-mini-2024-07-18", 19, 10);
}

TEST(AttributionTest, LangChain) {
  expect(R"({"lc":1,"type":"constructor","id":["langchain","schema","output","ChatGeneration"],)"
         R"("kwargs":{"text":"hi","generation_info":{"finish_reason":"stop"},"message":{"lc":1,)"
         R"("id":["langchain","schema","messages","AIMessage"],"kwargs":{"content":"hi",)"
         R"("response_metadata":{"token_usage":{"completion_tokens":3,"prompt_tokens":4},)"
         R"("model_name":"gpt-4o"},"usage_metadata":{"input_tokens":4,"output_tokens":3}}}}})",
         "gpt-4o", 4, 3);
  expect(R"({"text":"hi","message":{"type":"ai","data":{"content":"hi","response_metadata":)"
         R"({"tokenUsage":{"promptTokens":4,"completionTokens":3,"totalTokens":7}}}}})",
         "", 4, 3);
}

TEST(AttributionTest, EscapedQuotesOfOtherEncoders) {
  expect(R"({"timestamp":1,"response":"{\u0022model\u0022:\u0022m\u0022,\u0022usage\u0022:)"
         R"({\u0022prompt_tokens\u0022:1,\u0022completion_tokens\u0022:2}}"})",
         "m", 1, 2);
}

TEST(AttributionTest, NothingWhereNothingIsSaid) {
  for (const char* value :
       {"", "plain text about tokens and their usage", R"({"model":"Ford T","year":1908})",
        R"({"text":"\"usage\": {\"prompt_tokens\": 1}"})", R"({"usage":"prompt_tokens"})",
        R"({"usage":{"prompt_tokens":-1}})", R"({"usage":{"prompt_tokens":1.5}})",
        R"({"usage":{"prompt_tokens":99999999999}})", R"({"usage":{"prompt_tokens":12)",
        R"([[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[{"usage":{"prompt_tokens":1}}]]]])",
        "{\"usage\":{\"prompt_tokens\":\x01}}", R"("prompt_tokens is a word")"}) {
    EXPECT_FALSE(attribution_of(value)) << value;
  }
}

TEST(AttributionTest, StrangeModelsAreNotTaken) {
  expect(R"({"model":"a\nb","usage":{"prompt_tokens":1}})", "", 1, 0);
  expect(
      R"({"model":")" + std::string(kMaxModelBytes + 1, 'm') + R"(","usage":{"prompt_tokens":1}})",
      "", 1, 0);
  expect(R"({"model":17,"usage":{"prompt_tokens":1}})", "", 1, 0);
}

TEST(AttributionTest, TooLargeAValueIsNotLookedInto) {
  const std::string padding(kMaxAttributedBytes, ' ');
  EXPECT_FALSE(attribution_of(open_ai_answer + padding));
  expect(open_ai_answer + padding.substr(open_ai_answer.size()), "gpt-4o-mini-2024-07-18", 19, 10);
}

TEST(AttributionTest, WhatTheClientSaysStands) {
  Metadata metadata;
  metadata.model = "mine";
  attribute(open_ai_answer, metadata);
  EXPECT_EQ(metadata.model, "mine");
  EXPECT_EQ(metadata.tokens_in, 19U);
  EXPECT_EQ(metadata.kind, Kind::kCompletion);
  metadata = {};
  metadata.tokens_out = 5;
  attribute(open_ai_answer, metadata);
  EXPECT_EQ(metadata.model, "gpt-4o-mini-2024-07-18");
  EXPECT_EQ(metadata.tokens_in, 0U);
  EXPECT_EQ(metadata.tokens_out, 5U);
  metadata = {};
  metadata.kind = Kind::kEmbedding;
  attribute(open_ai_answer, metadata);
  EXPECT_TRUE(metadata.model.empty());
}

}  // namespace
}  // namespace kachel::server
