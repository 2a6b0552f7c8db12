#include "contract_test.h"

namespace kachel::io {

ContractTest::Read ContractTest::read(File& file, std::uint64_t offset, std::size_t length) {
  const PooledBuffer buffer = queue().acquire_buffer(length);
  TestRequest request(file, offset, length, buffer);
  queue().submit(request);
  drive();
  EXPECT_EQ(request.completions, 1);
  return {request.error, {buffer.data(), buffer.data() + request.transferred}};
}

INSTANTIATE_TEST_SUITE_P(All, ContractTest, ::testing::ValuesIn(all_backends()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace kachel::io
