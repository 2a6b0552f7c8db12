// The keys of a database: its strings first, then its hashes. Worker thread only.
#pragma once

#include "engine/store.h"

namespace kachel::server {

/// What is asked for of a page.
struct KeyQuery {
  std::uint64_t cursor = 0;  // of key_page(); 0: from the start
  std::size_t count = 0;
  bool takes_strings = true;
  bool takes_hashes = true;
};

/// A page of keys, as Worker::scan() has them; its cursor tells of which kind the rest is.
void key_page(Worker& worker, const Store& store, Namespace space, const KeyQuery& query,
              ScanHandler handler);

/// Where the hashes begin, for a KeyQuery.
inline constexpr std::uint64_t kFirstHash = std::uint64_t{1} << 56;

using CountHandler = UniqueFunction<void(Result<std::uint64_t>)>;
/// How many hashes the database has. One by one up to 65,536; what is beyond is estimated, which
/// is as good as that the hashes of their keys are spread evenly.
void count_hashes(Worker& worker, Namespace space, CountHandler handler);

}  // namespace kachel::server
