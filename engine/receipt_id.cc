#include "engine/receipt_id.h"

#include <boost/uuid/string_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <stdexcept>

namespace kachel {

std::string text_of(const ReceiptId& id) {
  return boost::uuids::to_string(id);
}

std::optional<ReceiptId> parse_receipt_id(std::string_view text) {
  // The generator also takes braces and no hyphens.
  if (text.size() != 36) return std::nullopt;
  for (const std::size_t at : {8U, 13U, 18U, 23U})
    if (text[at] != '-') return std::nullopt;
  try {
    const ReceiptId id = boost::uuids::string_generator()(text.begin(), text.end());
    if (id.is_nil()) return std::nullopt;
    return id;
  } catch (const std::runtime_error&) {
    return std::nullopt;
  }
}

ReceiptId make_receipt_id(io::Random& random) {
  ReceiptId id;
  random.fill(std::as_writable_bytes(std::span(id.data)));
  id.data[6] = static_cast<std::uint8_t>((id.data[6] & 0x0fU) | 0x40U);
  id.data[8] = static_cast<std::uint8_t>((id.data[8] & 0x3fU) | 0x80U);
  return id;
}

}  // namespace kachel
