// Turns an input into damage to a store's image: from flipped bits to segments written anew
// whose checksums all fit and whose numbers lie.
#pragma once

#include "engine/format/footer.h"
#include "tests/fuzz/store_image.h"

namespace kachel::fuzz {

/// Carries out what is left of `input`, a byte for each kind of damage and its choices after it.
/// Puts that come to be in this way are added to image.put. Whether there was any damage.
bool damage(StoreImage& image, Input& input);

/// Small, large, near what it was, or anything.
std::uint64_t bend(std::uint64_t number, Input& input);

/// What the parts of damage need to make checksums fit.
struct Signature {
  format::StoreId store_id{};
  MacKey mac_key{};
};

/// Writes the segment anew: some records changed, left out or repeated, its footer telling the
/// truth, or not, or gone.
void rewrite_segment(StoreImage& image, const Signature& signature, const std::string& path,
                     Input& input);

}  // namespace kachel::fuzz
