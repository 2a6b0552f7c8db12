#include "server/resp_writer.h"

#include <functional>
#include <gtest/gtest.h>
#include <vector>

namespace kachel::server {
namespace {

std::string written(Protocol protocol, const std::function<void(ReplyWriter)>& write) {
  OutputChain chain;
  write(ReplyWriter(chain, protocol));
  return chain.to_string();
}

struct Case {
  std::function<void(ReplyWriter)> write;
  std::string resp2;
  std::string resp3;
};

TEST(ReplyWriter, SpeaksBothProtocols) {
  const Case cases[] = {
      {[](ReplyWriter w) { w.ok(); }, "+OK\r\n", "+OK\r\n"},
      {[](ReplyWriter w) { w.error("ERR a\r\nb"); }, "-ERR a  b\r\n", "-ERR a  b\r\n"},
      {[](ReplyWriter w) {
         w.error(Error{ErrorCode::kIo, "broken"});
       },
       "-ERR broken\r\n", "-ERR broken\r\n"},
      {[](ReplyWriter w) { w.integer(-5); }, ":-5\r\n", ":-5\r\n"},
      {[](ReplyWriter w) { w.bulk(""); }, "$0\r\n\r\n", "$0\r\n\r\n"},
      {[](ReplyWriter w) { w.bulk("a\r\nb"); }, "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n"},
      {[](ReplyWriter w) { w.null(); }, "$-1\r\n", "_\r\n"},
      {[](ReplyWriter w) { w.null_array(); }, "*-1\r\n", "_\r\n"},
      {[](ReplyWriter w) { w.boolean(true); }, ":1\r\n", "#t\r\n"},
      {[](ReplyWriter w) { w.boolean(false); }, ":0\r\n", "#f\r\n"},
      {[](ReplyWriter w) { w.real(1.5); }, "$3\r\n1.5\r\n", ",1.5\r\n"},
      {[](ReplyWriter w) { w.real(-1.0 / 0.0); }, "$4\r\n-inf\r\n", ",-inf\r\n"},
      {[](ReplyWriter w) { w.verbatim("txt", "ab"); }, "$2\r\nab\r\n", "=6\r\ntxt:ab\r\n"},
      {[](ReplyWriter w) { w.map(2); }, "*4\r\n", "%2\r\n"},
      {[](ReplyWriter w) { w.set(2); }, "*2\r\n", "~2\r\n"},
      {[](ReplyWriter w) { w.array(3); }, "*3\r\n", "*3\r\n"},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(written(Protocol::kResp2, each.write), each.resp2);
    EXPECT_EQ(written(Protocol::kResp3, each.write), each.resp3);
  }
}

std::vector<iovec> parts_of(const OutputChain& chain) {
  std::vector<iovec> parts(64);
  parts.resize(chain.gather(parts));
  return parts;
}

TEST(OutputChain, LargeValuesAreReferencedAndSmallOnesCopied) {
  OutputChain chain;
  ReplyWriter writer(chain, Protocol::kResp2);
  const Entry::Pointer small = Entry::make(std::string(100, 's'));
  const Entry::Pointer large = Entry::make(std::string(kReferencedValueBytes, 'l'));
  writer.value(small);
  writer.value(large);
  writer.ok();
  const auto parts = parts_of(chain);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[1].iov_base, large->value().data());
  EXPECT_EQ(chain.bytes(), chain.to_string().size());
}

TEST(OutputChain, IsConsumedAtAnyBoundary) {
  for (std::size_t step : {1u, 7u, 1000u, 20'000u}) {
    ChunkPool pool;
    OutputChain chain(&pool);
    ReplyWriter writer(chain, Protocol::kResp2);
    for (int i = 0; i < 5; ++i) {
      writer.integer(i);
      writer.value(Entry::make(std::string(kReferencedValueBytes, static_cast<char>('a' + i))));
    }
    const std::string expected = chain.to_string();
    std::string got;
    while (!chain.empty()) {
      got += chain.to_string().substr(0, step);
      chain.consume(std::min(step, chain.bytes()));
      // Replies go on being added while earlier ones are being sent.
      ASSERT_EQ(chain.to_string(), expected.substr(got.size()));
      if (step == 1 && got.size() > 40) break;
    }
  }
}

TEST(OutputChain, SplicingKeepsTheOrder) {
  OutputChain first;
  OutputChain second;
  first.append("a");
  ReplyWriter(second, Protocol::kResp2).value(Entry::make(std::string(kReferencedValueBytes, 'v')));
  const std::string expected = "a" + second.to_string() + "b";
  first.splice(std::move(second));
  OutputChain third;
  third.append("b");
  first.splice(std::move(third));
  EXPECT_EQ(first.to_string(), expected);
  EXPECT_EQ(first.bytes(), expected.size());
}

}  // namespace
}  // namespace kachel::server
