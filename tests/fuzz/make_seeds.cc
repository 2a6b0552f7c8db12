// Writes inputs to begin with, DIR/FUZZER/seed-..., for what a mutation hardly comes by itself:
// whole structures of the format, and a conversation with every command. For somebody who
// changes the format or a fuzzer's input: fuzz from them, then minimise. README.md.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>

#include "engine/dictionary.h"
#include "engine/format/hot_manifest.h"
#include "engine/format/snapshot_manifest.h"
#include "engine/format/structure.h"
#include "engine/format/superblock.h"
#include "engine/row_coding.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/engine/format_testing.h"

namespace kachel::fuzz {
namespace {

using namespace kachel::format;

constexpr StoreId kStore{std::byte{0xa0}};

class Seeds {
 public:
  explicit Seeds(std::filesystem::path directory) : directory_(std::move(directory)) {}

  /// `choice` and, behind it, the parts.
  void add(const std::string& fuzzer, std::initializer_list<std::uint8_t> choice,
           std::initializer_list<std::string_view> parts) {
    const auto folder = directory_ / fuzzer;
    std::filesystem::create_directories(folder);
    std::ofstream file(folder / ("seed-" + std::to_string(++count_)), std::ios::binary);
    for (const std::uint8_t byte : choice)
      file.put(static_cast<char>(byte));
    for (const std::string_view part : parts)
      file.write(part.data(), static_cast<std::streamsize>(part.size()));
    if (!file.flush()) throw std::runtime_error("cannot write " + folder.string());
  }

 private:
  std::filesystem::path directory_;
  std::size_t count_ = 0;
};

void add_records(Seeds& seeds) {
  Random random(1);
  for (const RecordType type : kAllTypes) {
    for (int i = 0; i < 3; ++i) {
      OwnedRecord record;
      fill_record(record, type, random, 40);
      const EncodedRecord encoded = record.encode({kStore, 7, 4096});
      seeds.add("record", {3}, {as_text(encoded.bytes())});
    }
  }
}

void add_footers(Seeds& seeds) {
  Random random(2);
  for (std::size_t records = 0; records < 12; records += 3) {
    SegmentHeader header{kStore, 7, 1'700'000'000'000, 100, 3, 0, 65536};
    std::vector<RecordSummary> summaries;
    std::uint64_t offset = kSegmentHeaderBytes;
    for (std::size_t i = 0; i < records; ++i) {
      OwnedRecord record;
      fill_record(record, kAllTypes[i % std::size(kAllTypes)], random, 40);
      record.meta.sequence = 100 + i;
      record.meta.version = i % 2 == 0 ? 0 : 50;
      summaries.push_back(summarize(record.meta, offset, 64 + 8 * i, {}));
      offset += summaries.back().size;
    }
    const EncodedFooter footer = encode_footer(kStore, header, offset, summaries);
    const auto all = std::span<const std::byte>(footer.bytes);
    Bytes trailer = exact_copy(all.last(kTrailerBytes));
    // The fuzzer keeps the table's offset in units of 8, from the end of the header.
    store(trailer.data() + 40, (offset - kSegmentHeaderBytes) / 8);
    const Bytes head = encode_segment_header(header);
    seeds.add("footer", {7},
              {as_text(std::span(head).first(80)), as_text(trailer),
               as_text(all.first(footer.trailer.table_bytes))});
  }
}

void add_dictionaries(Seeds& seeds) {
  std::string text;
  std::vector<std::size_t> sizes;
  for (int i = 0; i < 400; ++i) {
    const std::string value = "{\"answer\": \"tile " + std::to_string(i * i) + " keeps heat\"}";
    text += value;
    sizes.push_back(value.size());
  }
  const auto trained = train_dictionary(std::as_bytes(std::span(text)), sizes, 512);
  const std::string_view untrained = "{\"answer\": \"tile keeps heat\"}";
  for (const std::size_t tags : {std::size_t{0}, std::size_t{3}}) {
    for (const bool is_trained : {true, false}) {
      SegmentDictionary dictionary;
      dictionary.id = 9;
      dictionary.created_ms = 1'700'000'000'000;
      for (std::uint8_t i = 1; i < 4; ++i)
        dictionary.samples.push_back({{{std::byte{i}}}, 100u + i});
      for (std::size_t i = 0; i < tags; ++i)
        dictionary.scopes.push_back({1000 + i, 1 + i});
      const auto content = std::as_bytes(std::span(untrained));
      dictionary.content = is_trained ? *trained : ZeroizingBytes(content.begin(), content.end());
      const ZeroizingBytes copies = encode_dictionary(dictionary, kStore, 7);
      const std::size_t used = 96 + dictionary.content.size() + 3 * 24 + tags * 16;
      seeds.add(
          "dictionary", {1, 40},
          {"{\"answer\": \"tile 9 keeps its heat, and\"}", as_text(std::span(copies).first(used))});
    }
  }
}

void add_identities(Seeds& seeds) {
  for (const StoreState state : {StoreState::kClean, StoreState::kOpen, StoreState::kOpenRelaxed}) {
    Superblock superblock;
    superblock.store_id = kStore;
    superblock.state = state;
    superblock.sequence_limit = 1000;
    const Bytes first = encode_superblock_copy(superblock);
    superblock.generation = 1;
    const Bytes second = encode_superblock_copy(superblock);
    const Bytes key = encode_key_file({kStore, {std::byte{7}}});
    seeds.add("identity", {1},
              {as_text(std::span(first).first(104)), as_text(std::span(second).first(104)),
               as_text(key)});
  }
}

void add_hot_manifests(Seeds& seeds) {
  const Bytes header = encode_hot_manifest_header(kStore, {1'800'000'000'000, 77});
  const std::vector<HotManifestItem> items{{{0, 0}, {{std::byte{1}}}, 0x81},
                                           {{7, 15}, {{std::byte{2}}}, 3}};
  for (const std::uint8_t choice : {std::uint8_t{0}, std::uint8_t{1}}) {
    for (const std::string_view drawn : {std::string_view("\0\0\5\0\3", 5),
                                         std::string_view("\2\0abcd\1\2ABCDEFGHIJKLMNOP", 24)}) {
      const Bytes block = encode_hot_block(kStore, 3, items);
      seeds.add("hot_manifest", {choice}, {as_text(header), drawn, as_text(block)});
    }
  }
}

void add_snapshots(Seeds& seeds) {
  SnapshotManifest manifest;
  manifest.store_id = kStore;
  manifest.created_ms = 1'800'000'000'000;
  manifest.expires_ms = manifest.derived_due_ms = manifest.created_ms + 3'600'000;
  manifest.through = 77;
  for (const std::size_t segments : {std::size_t{0}, std::size_t{2}}) {
    manifest.segments = {{1, 0, 4096, manifest.expires_ms}, {9, 55, 262'144, manifest.expires_ms}};
    manifest.segments.resize(segments);
    const Bytes bytes = encode_snapshot_manifest(manifest);
    const std::string drawn(32, '\1');  // times and the sequence, of the one that is written
    for (const std::uint8_t choice : {std::uint8_t{0}, std::uint8_t{1}})
      seeds.add("snapshot", {choice}, {drawn, std::string_view("\0\0\5\0\3", 5), as_text(bytes)});
  }
}

void add_rows(Seeds& seeds) {
  const Row row{0x1234,  4096, 512, 900, 880, 1'700'000'000'000, 3000, 7, 905, 1'800'000'000'000,
                {11, 12}};
  const Marker marker{kStore, 17, {{1, 4096}, {2, 8192}}};
  const SegmentCounts counts{
      7, 1000, true, {{{0, 0}, {3, 100}}, {{1, 15}, {300, 900}}}, 1'800'000'000'000};
  seeds.add("row", {0}, {encode_row(row)});
  seeds.add("row", {1}, {encode_row_key({{7, 3}, {}})});
  const Fence fence{.space = {7, 255}, .version = 1'000'000};
  seeds.add("row", {2}, {encode_fence_key(fence) + encode_fence(fence)});
  const Fence scope_fence{{7, kSubjectScope}, {{std::byte{9}}}, 1'000'000, 1'700'000'000'000};
  seeds.add("row", {3}, {encode_fence_key(scope_fence) + encode_fence(scope_fence)});
  seeds.add("row", {4}, {encode_marker(marker)});
  seeds.add("row", {5}, {encode_counts_key(7)});
  seeds.add("row", {6}, {encode_counts(counts)});
}

// One line a command; each is sent as an inline command and as an array.
constexpr std::string_view kCommands[] = {
    "SET k v",
    "SET k v EX 10 NX GET",
    "SET k w PX 100000 XX",
    "SET k v EXAT 1800000000 KEEPTTL",
    "SETEX k 10 v",
    "PSETEX k 10000 v",
    "SETNX k v",
    "GET k",
    "MGET k l k",
    "MSET k v l w",
    "STRLEN k",
    "GETEX k PERSIST",
    "GETEX k EX 100",
    "GETDEL k",
    "DEL k l",
    "UNLINK k",
    "EXISTS k k",
    "EXPIRE k 10 GT",
    "PEXPIRE k 10 NX",
    "EXPIREAT k 1800000000 LT",
    "PEXPIREAT k 1800000000000 XX",
    "TTL k",
    "PTTL k",
    "EXPIRETIME k",
    "PEXPIRETIME k",
    "PERSIST k",
    "TYPE k",
    "SCAN 0 MATCH k* COUNT 10 TYPE string",
    "DBSIZE",
    "KEYS *",
    "RANDOMKEY",
    "TOUCH k absent",
    "COPY k l REPLACE",
    "COPY k k DB 1",
    "RENAME k l",
    "RENAMENX k l",
    "APPEND k x",
    "GETRANGE k 0 -1",
    "SUBSTR k 1 2",
    "SETRANGE k 3 x",
    "INCR n",
    "INCRBY n 5",
    "DECR n",
    "DECRBY n 5",
    "INCRBYFLOAT n 1.5",
    "GETSET k w",
    "MSETNX a 1 b 2",
    "OBJECT ENCODING k",
    "OBJECT HELP",
    "MEMORY USAGE k SAMPLES 0",
    "HSET h f v g w",
    "HMSET h f v",
    "HGET h f",
    "HMGET h f g x",
    "HGETALL h",
    "HDEL h g",
    "HLEN h",
    "HEXISTS h f",
    "HKEYS h",
    "HVALS h",
    "HSCAN h 0 MATCH * COUNT 1",
    "HSETNX h f v",
    "HINCRBY h n 1",
    "HINCRBYFLOAT h n 0.5",
    "HSTRLEN h f",
    "EXPIRE h 100 XX LT",
    "TYPE h",
    "SET h v XX KEEPTTL",
    "RENAME h k",
    "KACHEL.META h",
    "JSON.SET j $ {\"a\":[1,null]}",
    "JSON.GET j $",
    "WATCH k h",
    "MULTI",
    "SET k w",
    "HSET h f w",
    "INCR k",
    "EXEC",
    "DISCARD",
    "UNWATCH",
    "WAIT 0 0",
    "MODULE LIST",
    "LOLWUT",
    "FLUSHDB ASYNC",
    "FLUSHALL",
    "PING",
    "PING x",
    "ECHO x",
    "HELLO 3 AUTH default x SETNAME n",
    "HELLO 2",
    "AUTH default x",
    "SELECT 3",
    "RESET",
    "CLIENT ID",
    "CLIENT SETNAME n",
    "CLIENT GETNAME",
    "CLIENT SETINFO lib-name x",
    "CLIENT INFO",
    "CLIENT LIST ID 1",
    "CLIENT NO-EVICT on",
    "CLIENT REPLY on",
    "CLIENT KILL ID 7",
    "INFO server",
    "TIME",
    "CONFIG GET max*",
    "CONFIG SET maxmemory 64mb",
    "CONFIG RESETSTAT",
    "COMMAND COUNT",
    "COMMAND INFO get set",
    "COMMAND DOCS get",
    "COMMAND LIST",
    "COMMAND GETKEYS MSET a 1 b 2",
    "KACHEL.SET k v EX 60 KIND completion MODEL m SUBJECT a SUBJECT b TOKENS 3 4 COST 5",
    "KACHEL.SET k v ERASEBY 1800000000000 NX",
    "KACHEL.META k",
    "GET \"a\\x00b\"",
    "QUIT"};

std::string as_array(std::string_view line) {
  std::string body;
  std::size_t count = 0;
  while (!line.empty()) {
    const std::string_view word = line.substr(0, line.find(' '));
    body += "$" + std::to_string(word.size()) + "\r\n" + std::string(word) + "\r\n";
    ++count;
    line.remove_prefix(std::min(line.size(), word.size() + 1));
  }
  return "*" + std::to_string(count) + "\r\n" + body;
}

void add_conversations(Seeds& seeds) {
  std::string all;
  for (const std::string_view line : kCommands) {
    const std::string inline_command = "SET k v\r\n" + std::string(line) + "\r\n";
    const std::string array = as_array("SET k v") + as_array(line);
    all += as_array(line);
    seeds.add("session", {1, 1}, {inline_command});
    seeds.add("session", {2, 2}, {array});
    seeds.add("request", {3, 0}, {array});
  }
  seeds.add("session", {4, 14}, {all});
  // A transaction as one has it: what is watched, queued and written belongs together.
  std::string transaction;
  for (const char* line : {"HSET h f v", "SET k 1", "WATCH k h", "GET k", "MULTI", "INCR k",
                           "HSET h f w", "DEL h", "FLUSHDB", "EXEC", "HGETALL h", "MULTI", "NOSUCH",
                           "EXEC", "MULTI", "SELECT 1", "SET k 2", "DISCARD", "RENAME k l"})
    transaction += as_array(line);
  seeds.add("session", {5, 2}, {transaction});
  seeds.add("session", {6, 5}, {transaction});
}

void add_configs(Seeds& seeds) {
  for (const std::string_view text :
       {"data = \"dir\"\nmemory = \"64MiB\"\ncapacity = 1073741824\nthreads = 2\n",
        "listen = \"[::1]:7000\"\nidle-timeout = \"1m\"\nno-io-uring = true\nmax-value = '1MiB'\n",
        "durability = \"strict\"\nlog-level = \"debug\"\nport-file = \"p\"\nmax-clients = 0x10\n",
        "# note\n[a.b]\nc = [1, {d = 1979-05-27T07:32:00Z}]\n[[e]]\nf = 1e9\n\"\\u00e9\" = "
        "inf\n",
        "[tenant.default]\nttl_default = \"90s\"\nttl_max = \"24h\"\nerase_within = "
        "\"12h\"\nerase_by_max = \"30d\"\ncapacity = \"256MiB\"\nrequire_subject = true\n",
        "tenant.default.ttl_max = \"1h\"\ntenant.a = {capacity = 1024, require_subject = false}\n",
        "[tenant.\"b.c\"]\nttl_default = \"2h\"\nttl_max = \"1h\"\n",
        "[tenant.default]\nttl-max = \"0s\"\n[tenant.default.x]\n[[tenant.d]]\n"}) {
    seeds.add("config", {}, {text});
  }
}

}  // namespace
}  // namespace kachel::fuzz

int main(int count, char** arguments) try {
  if (count != 2) {
    std::fputs("usage: make_seeds DIRECTORY\n", stderr);
    return 2;
  }
  using namespace kachel::fuzz;
  Seeds seeds(arguments[1]);
  add_records(seeds);
  add_footers(seeds);
  add_dictionaries(seeds);
  add_identities(seeds);
  add_hot_manifests(seeds);
  add_snapshots(seeds);
  add_rows(seeds);
  add_conversations(seeds);
  add_configs(seeds);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "make_seeds: %s\n", error.what());
  return 1;
}
