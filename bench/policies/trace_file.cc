#include "bench/policies/trace_file.h"

#include <array>
#include <boost/json/parse.hpp>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <zstd.h>

namespace kachel::policies {
namespace {

using Decoder = std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)>;

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw std::runtime_error(path + ": " + what);
}

/// All of a chunk, appended.
void decompress(ZSTD_DStream* decoder, const std::string& path, std::string_view chunk,
                std::string& text) {
  std::array<char, 1 << 16> out;
  ZSTD_inBuffer input{chunk.data(), chunk.size(), 0};
  bool is_full = false;  // then the decoder may hold more
  while (input.pos < input.size || is_full) {
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    const std::size_t status = ZSTD_decompressStream(decoder, &output, &input);
    if (ZSTD_isError(status) != 0) fail(path, ZSTD_getErrorName(status));
    text.append(out.data(), output.pos);
    is_full = output.pos == output.size;
  }
}

}  // namespace

void read_trace(const std::string& path,
                const std::function<void(const boost::json::object&)>& visit) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path, "can't be opened; KACHEL_DATA names the folder of the traces");
  const Decoder decoder(ZSTD_createDStream(), &ZSTD_freeDStream);
  std::array<char, 1 << 16> chunk;
  std::string text;
  while (file.read(chunk.data(), chunk.size()) || file.gcount() > 0) {
    decompress(decoder.get(), path, {chunk.data(), static_cast<std::size_t>(file.gcount())}, text);
    std::size_t begin = 0;
    for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const std::string_view line(text.data() + begin, end - begin);
      boost::system::error_code error;
      const boost::json::value value = boost::json::parse(line, error);
      if (error || !value.is_object()) fail(path, "a line is no JSON object");
      visit(value.get_object());
    }
    text.erase(0, begin);
  }
  if (!text.empty()) fail(path, "ends in the middle of a line");
}

}  // namespace kachel::policies
