// What a client's bytes wait in: how it grows.
#include "server/input_buffer.h"

#include <gtest/gtest.h>

namespace kachel::server {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

/// Grows to `bytes` as a request does whose arguments are so long; how often it moved.
int moves(std::size_t bytes, std::size_t argument_bytes) {
  InputBuffer buffer;
  int moved = 0;
  while (buffer.size() < bytes) {
    const std::size_t before = buffer.capacity();
    const std::size_t wanted = (buffer.size() / argument_bytes + 1) * argument_bytes;
    const std::size_t room = buffer.space(wanted).size();
    moved += buffer.capacity() == before ? 0 : 1;
    buffer.commit(std::min<std::size_t>(room, 4096));
  }
  return moved;
}

TEST(InputBufferTest, ManyArgumentsDoNotMoveItForEachOfThem) {
  for (const std::size_t argument : {100u, 6000u, 100'000u})
    EXPECT_LT(moves(16 * kMiB, argument), 50) << argument;
}

TEST(InputBufferTest, OneLargeArgumentGetsLittleMoreThanItWants) {
  for (const std::size_t wanted : {20 * kMiB, 33 * kMiB, 64 * kMiB}) {
    InputBuffer buffer;
    while (buffer.size() < wanted)
      buffer.commit(std::min(buffer.space(wanted).size(), wanted - buffer.size()));
    EXPECT_LT(buffer.capacity(), wanted + wanted / 4) << wanted;
  }
}

TEST(InputBufferTest, KeepsWhatItHasWhileItGrowsAndIsConsumed) {
  InputBuffer buffer;
  std::string expected;
  std::size_t written = 0;
  for (std::size_t round = 0; round < 400; ++round) {
    const std::span<char> room = buffer.space(round % 3 == 0 ? 3 * kMiB : 0);
    const std::size_t bytes = std::min<std::size_t>(room.size(), 10'000);
    for (std::size_t i = 0; i < bytes; ++i, ++written) {
      room[i] = static_cast<char>(written * 31 / 7);
      expected += room[i];
    }
    buffer.commit(bytes);
    if (round % 10 != 9) continue;
    const std::size_t gone = std::min(buffer.size(), round * 40);
    buffer.consume(gone);
    expected.erase(0, gone);
    ASSERT_EQ(buffer.view(), expected) << round;
  }
  EXPECT_GT(buffer.capacity(), kMiB);
  buffer.consume(buffer.size());
  EXPECT_EQ(buffer.capacity(), 0u);
}

}  // namespace
}  // namespace kachel::server
