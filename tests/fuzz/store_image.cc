#include "tests/fuzz/store_image.h"

#include <array>

namespace kachel::fuzz {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

/// Puts, and notes what it put.
class Author {
 public:
  Author(FuzzWorld& world, StoreImage& image) : world_(world), image_(image) {}

  void put(const Key& key, std::size_t bytes, std::int64_t lifetime_ms = 0) {
    std::string value = key.second + " " + std::to_string(++count_) + ":";
    while (value.size() < bytes)
      value += " a tile keeps its heat for " + std::to_string(value.size() * count_) + " days";
    value.resize(bytes);
    const auto outcome = world_.put(key, value, lifetime_ms);
    KACHEL_CHECK(outcome && *outcome == PutOutcome::kStored, "the image cannot be made");
    image_.put[key].insert(value);
    image_.now[key] = std::move(value);
  }
  void erase(const Key& key) {
    KACHEL_CHECK(world_.erase(key).has_value(), "the image cannot be made");
    image_.now.erase(key);
  }
  void erase_all(Namespace space) {
    KACHEL_CHECK(world_.erase_all(space).has_value(), "the image cannot be made");
    std::erase_if(image_.now, [&](const auto& item) { return item.first.first == space; });
  }

 private:
  FuzzWorld& world_;
  StoreImage& image_;
  std::size_t count_ = 0;
};

Key numbered(int number) {
  return {{}, "key" + std::to_string(number)};
}

// Something of everything: raw and compressed values, lifetimes in segments of their own,
// overwritten, erased and moved entries, a changed expiry, a fence; sealed and open segments,
// some of it newer than the index's last flush.
void write_history(FuzzWorld& world, StoreImage& image) {
  Author author(world, image);
  const Namespace other{0, 1};
  for (int i = 0; i < 8; ++i)
    author.put(numbered(i), i % 2 == 0 ? 30 : 400, i % 3 == 0 ? kHourMs : 0);
  author.put({other, "fenced"}, 50);
  author.erase_all(other);
  author.put({other, "after the fence"}, 50);
  if (image.durability == Durability::kRelaxed) {
    world.advance(3000);
    world.drop();  // the next start seals what is open, and has no index
  } else {
    KACHEL_CHECK(world.close().has_value(), "the image cannot be made");
  }
  KACHEL_CHECK(world.open().has_value(), "the image cannot be made");
  for (int i = 4; i < 12; ++i)
    author.put(numbered(i), i == 5 ? 5000 : 90, i % 4 == 0 ? kHourMs : 0);
  author.erase(numbered(2));
  author.erase(numbered(5));
  KACHEL_CHECK(world.expire(numbered(3), image.wall_ms + 2 * kHourMs).has_value(), "expiry");
  world.advance(3000);
  author.put(numbered(5), 700);
  author.put(numbered(0), 60, kHourMs);
  author.erase(numbered(7));
}

StoreImage make_image(Ending ending) {
  StoreImage image;
  image.boot_id = std::string(32, '1');
  image.wall_ms = 1'700'000'000'000;
  image.durability = ending == Ending::kKilledRelaxed ? Durability::kRelaxed : Durability::kGroup;
  FuzzWorld world(image);
  KACHEL_CHECK(world.open().has_value(), "a new store cannot be made");
  write_history(world, image);
  if (ending == Ending::kClosed) {
    KACHEL_CHECK(world.close().has_value(), "the image cannot be closed");
  } else {
    world.drop();
  }
  world.save(image);
  return image;
}

}  // namespace

const StoreImage& store_image(Ending ending) {
  static const std::array<StoreImage, kEndings> images{
      make_image(Ending::kClosed), make_image(Ending::kKilled), make_image(Ending::kKilledRelaxed)};
  return images[static_cast<std::size_t>(ending)];
}

}  // namespace kachel::fuzz
