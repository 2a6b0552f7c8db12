"""What a Redis client sees when nothing goes wrong: redis-py, redis-cli, and the wire."""

import json
import subprocess
import time

import harness
from resp import Error


class Basics(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.running = self.server().start()
        self.client = self.running.client()
        self.addCleanup(self.client.close)


class Strings(Basics):
    def test_set_and_get(self):
        c = self.client
        self.assertTrue(c.ping())
        self.assertIsNone(c.get("k"))
        self.assertTrue(c.set("k", "v"))
        self.assertEqual(c.get("k"), b"v")
        self.assertEqual(c.strlen("k"), 1)
        self.assertEqual(c.strlen("absent"), 0)
        self.assertEqual(c.exists("k", "k", "absent"), 2)
        self.assertEqual(c.type("k"), b"string")
        self.assertEqual(c.type("absent"), b"none")

    def test_values_and_keys_are_bytes(self):
        c = self.client
        every = bytes(range(256))
        for key, value in ((b"\0", b""), (every, every), (b"\r\n", b"\r\n$-1\r\n"), (b" ", b" ")):
            self.assertTrue(c.set(key, value))
            self.assertEqual(c.get(key), value)

    def test_sizes_around_the_blocks_come_back(self):
        c = self.client
        sizes = [0, 1, 63, 64, 4095, 4096, 4097, 65535, 65536, 524288, 524289, 3 << 20]
        values = {f"k{size}": bytes(i * 7 % 256 for i in range(min(size, 4097))) *
                  (size // 4097 + 1) for size in sizes}
        values = {key: value[:int(key[1:])] for key, value in values.items()}
        for key, value in values.items():
            self.assertTrue(c.set(key, value))
        for _ in range(2):
            for key, value in values.items():
                self.assertTrue(c.get(key) == value, key)
            self.running.kill()
            self.running.start()
            c = self.client = self.running.client()

    def test_options_of_set(self):
        c = self.client
        self.assertTrue(c.set("k", "1", nx=True))
        self.assertIsNone(c.set("k", "2", nx=True))
        self.assertTrue(c.set("k", "3", xx=True))
        self.assertIsNone(c.set("absent", "4", xx=True))
        self.assertEqual(c.set("k", "5", get=True), b"3")
        self.assertTrue(c.set("k", "6", ex=100))
        self.assertTrue(c.set("k", "7", keepttl=True))
        self.assertGreater(c.ttl("k"), 90)
        self.assertTrue(c.set("k", "8"))
        self.assertEqual(c.ttl("k"), -1)
        self.assertTrue(c.set("k", "9", exat=int(time.time()) + 1000))
        self.assertGreater(c.ttl("k"), 900)
        self.assertTrue(c.setnx("other", "1"))
        self.assertFalse(c.setnx("other", "2"))
        self.assertTrue(c.setex("k", 50, "10"))
        self.assertTrue(c.psetex("k", 50000, "11"))
        self.assertLessEqual(c.pttl("k"), 50000)

    def test_reads_that_change(self):
        c = self.client
        c.set("k", "v")
        self.assertEqual(c.getex("k", ex=100), b"v")
        self.assertGreater(c.ttl("k"), 90)
        self.assertEqual(c.getex("k", persist=True), b"v")
        self.assertEqual(c.ttl("k"), -1)
        self.assertEqual(c.getdel("k"), b"v")
        self.assertIsNone(c.getdel("k"))

    def test_many_at_once(self):
        c = self.client
        self.assertTrue(c.mset({f"k{i}": f"v{i}" for i in range(100)}))
        self.assertEqual(c.mget([f"k{i}" for i in range(0, 102, 3)]),
                         [f"v{i}".encode() if i < 100 else None for i in range(0, 102, 3)])
        self.assertEqual(c.delete("k0", "k1", "absent"), 2)
        self.assertEqual(c.unlink("k2", "absent"), 1)
        self.assertEqual(c.dbsize(), 97)

    def test_pipelines_keep_their_order(self):
        pipeline = self.client.pipeline(transaction=False)
        for i in range(1000):
            pipeline.set("same", i)
            pipeline.get("same")
        replies = pipeline.execute()
        self.assertEqual(replies[1::2], [str(i).encode() for i in range(1000)])


class Expiry(Basics):
    def test_an_entry_is_gone_once_its_time_has_passed(self):
        c = self.client
        c.set("soon", "v", px=50)
        c.set("later", "v", ex=1000)
        self.eventually(lambda: c.get("soon") is None, "the expiry")
        self.assertEqual(c.get("later"), b"v")
        self.assertEqual(c.exists("soon"), 0)
        self.assertEqual(c.ttl("soon"), -2)

    def test_conditions_of_expire(self):
        c = self.client
        c.set("k", "v")
        self.assertEqual(c.ttl("k"), -1)
        for options, changed in (("XX", 0), ("GT", 0), ("NX", 1), ("NX", 0), ("XX", 1)):
            self.assertEqual(c.execute_command("EXPIRE", "k", 100, options), changed, options)
        self.assertEqual(c.execute_command("EXPIRE", "k", 200, "GT"), 1)
        self.assertEqual(c.execute_command("EXPIRE", "k", 100, "GT"), 0)
        self.assertEqual(c.execute_command("EXPIRE", "k", 100, "LT"), 1)
        self.assertTrue(c.pexpire("k", 90000))
        self.assertTrue(c.expireat("k", int(time.time()) + 500))
        self.assertTrue(c.pexpireat("k", int(time.time() + 600) * 1000))
        self.assertGreater(c.ttl("k"), 500)
        self.assertGreater(c.execute_command("EXPIRETIME", "k"), time.time())
        self.assertTrue(c.persist("k"))
        self.assertFalse(c.persist("k"))
        self.assertFalse(c.expire("absent", 10))
        self.assertTrue(c.expire("k", -1))
        self.assertIsNone(c.get("k"))


class Keyspace(Basics):
    def test_scan_returns_every_key(self):
        keys = {f"k{i}".encode() for i in range(3000)}
        pipeline = self.client.pipeline(transaction=False)
        for key in keys:
            pipeline.set(key, "v")
        pipeline.execute()
        self.assertEqual(set(self.client.scan_iter(count=50)), keys)
        self.assertEqual(set(self.client.scan_iter(match="k1?9", count=500)),
                         {f"k1{i}9".encode() for i in range(10)})

    def test_databases_are_apart(self):
        third = self.running.client(db=3)
        self.client.set("k", "zero")
        third.set("k", "three")
        self.assertEqual(self.client.get("k"), b"zero")
        self.assertEqual(third.get("k"), b"three")
        self.assertTrue(third.flushdb())
        self.assertEqual((third.dbsize(), self.client.dbsize()), (0, 1))
        third.set("k", "again")
        self.assertTrue(self.client.flushall())
        self.assertEqual((third.dbsize(), self.client.dbsize()), (0, 0))
        third.close()

    def test_reads_sent_before_a_flush_find_what_was_there(self):
        with self.running.connect() as connection:
            connection.pipeline([("SET", f"k{i}", f"v{i}" * 500) for i in range(200)])
        self.assertEqual(self.running.stop(), 0)
        self.running.start()  # so that they are read from the drive
        with self.running.connect() as connection:
            *values, flushed = connection.pipeline(
                [("GET", f"k{i}") for i in range(200)] + [("FLUSHDB",)])
            self.assertEqual(flushed, "OK")
            self.assertEqual(values, [(f"v{i}" * 500).encode() for i in range(200)])
            self.assertEqual(connection.call("DBSIZE"), 0)

    def test_dbsize_counts_what_is_there(self):
        for i in range(10):
            self.client.set(f"k{i % 5}", i)
        self.assertEqual(self.client.dbsize(), 5)
        self.client.delete("k0")
        self.assertEqual(self.client.dbsize(), 4)


class Kachel(Basics):
    def meta(self, key):
        with self.running.connect() as connection:
            connection.call("HELLO", 3)
            return connection.call("KACHEL.META", key)

    def test_metadata_come_back(self):
        c = self.client
        self.assertIn(c.execute_command(
            "KACHEL.SET", "k", "v", "EX", 1000, "KIND", "completion", "MODEL", "tile-7b",
            "SUBJECT", "anna", "SUBJECT", "ben", "TOKENS", 12, 34, "COST", 56), (True, b"OK"))
        meta = self.meta("k")
        self.assertEqual(meta["kind"], b"completion")
        self.assertEqual(meta["model"], b"tile-7b")
        self.assertEqual(meta["subjects"], [b"anna", b"ben"])
        self.assertEqual((meta["tokens_in"], meta["tokens_out"], meta["cost_micro_usd"]),
                         (12, 34, 56))
        self.assertEqual(meta["raw_bytes"], 1)
        self.assertEqual(c.get("k"), b"v")
        self.assertGreater(c.ttl("k"), 900)
        self.assertIsNone(self.meta("absent"))

    def test_the_tier_moves_from_memory_to_flash_and_back(self):
        self.client.set("k", "v" * 1000)
        self.assertNotEqual(self.meta("k")["tier"], b"flash")
        self.assertEqual(self.running.stop(), 0)
        self.running.args += ["--warm-rate", "0"]
        self.running.start()
        self.assertEqual(self.meta("k")["tier"], b"flash")
        self.assertEqual(self.meta("k")["tier"], b"hot")  # META reads, and reads promote
        self.assertEqual(self.running.stop(), 0)
        self.running.start()
        with self.running.connect() as connection:
            self.assertEqual(connection.call("GET", "k"), b"v" * 1000)
            self.assertEqual(connection.call("GET", "k"), b"v" * 1000)
        info = self.running.info()
        self.assertEqual((info["flash_hits"], info["hot_hits"]), (1, 1))
        self.assertEqual(info["device_reads"], 1)

    def test_info_counts(self):
        c = self.client
        for i in range(20):
            c.set(f"k{i}", "some text " * 50)
            c.get(f"k{i}")
        c.get("absent")
        c.delete("k0")
        info = self.running.info()
        self.assertEqual(info["sets"], 20)
        self.assertEqual(info["misses"], 1)
        self.assertEqual(info["erases"], 1)
        self.assertEqual(info["entries"], 19)
        self.assertEqual(info["raw_bytes"], 20 * 500)
        self.assertLess(info["stored_bytes"], info["raw_bytes"])
        self.assertEqual(
            info["hot_hits"] + info["write_buffer_hits"] + info["flash_hits"], 20)
        self.assertEqual(info["damaged_reads"], 0)
        self.assertEqual(info["io_errors"], 0)


class Protocol(Basics):
    def test_hello_switches_to_resp3(self):
        with self.running.connect() as connection:
            hello = connection.call("HELLO", 3)
            self.assertEqual(hello["proto"], 3)
            self.assertEqual(connection.call("GET", "absent"), None)
            self.assertIsInstance(connection.call("HELLO", 9), Error)
            self.assertEqual(connection.call("PING"), "PONG")

    def test_mistakes_are_answered_as_redis_does(self):
        with self.running.connect() as connection:
            for request, beginning in (
                (("NOSUCH", "a"), "ERR unknown command"),
                (("GET",), "ERR wrong number of arguments"),
                (("SET", "k", "v", "EX", "0"), "ERR invalid expire time"),
                (("SET", "k", "v", "EX", "abc"), "ERR value is not an integer"),
                (("SET", "k", "v", "NX", "XX"), "ERR syntax error"),
                (("SET", "k", "v", "NONSENSE"), "ERR syntax error"),
                (("SELECT", "99"), "ERR DB index is out of range"),
                (("SCAN", "x"), "ERR invalid cursor"),
                (("KACHEL.SET", "k", "v", "KIND", "nonsense"), "ERR"),
            ):
                with self.subTest(request=request):
                    reply = connection.call(*request)
                    self.assertIsInstance(reply, Error)
                    self.assertTrue(str(reply).startswith(beginning), str(reply))
            self.assertEqual(connection.call("PING", "still here"), b"still here")
            self.assertEqual(connection.call("ECHO", "and here"), b"and here")

    def test_quit_ends_the_connection(self):
        with self.running.connect() as connection:
            self.assertEqual(connection.call("QUIT"), "OK")
            self.assertTrue(connection.at_end())

    def test_what_clients_ask_when_they_connect(self):
        c = self.client
        c.client_setname("basics")
        self.assertEqual(c.client_getname(), "basics")
        self.assertGreater(c.client_id(), 0)
        self.assertIsInstance(c.time(), tuple)
        with self.running.connect() as connection:
            self.assertGreater(connection.call("COMMAND", "COUNT"), 20)
            self.assertEqual(connection.call("CLIENT", "SETINFO", "LIB-NAME", "x"), "OK")


    def test_the_slow_log_is_what_clients_expect(self):
        c = self.client
        c.config_set("slowlog-log-slower-than", 1)
        self.assertEqual(c.config_get("slowlog-*")["slowlog-log-slower-than"], "1")

        def slow():
            c.mset({f"key{i}": b"secret" * 1000 for i in range(2000)})
            return c.slowlog_len() > 0
        self.eventually(slow, "something that takes longer than the clock's steps")
        first = c.slowlog_get(1)[0]
        self.assertGreater(first["duration"], 0)
        self.assertIn(b"arguments", first["command"])
        self.assertNotIn(b"secret", first["command"])
        self.assertTrue(c.slowlog_reset())


class CommandLine(Basics):
    def cli(self, *args, text=None):
        result = subprocess.run(
            ["redis-cli", "-p", str(self.running.port), *args], input=text, text=True,
            capture_output=True, timeout=harness.DEADLINE_S)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.strip()

    def test_redis_cli_works(self):
        self.assertEqual(self.cli("SET", "k", "v"), "OK")
        self.assertEqual(self.cli("GET", "k"), "v")
        self.assertEqual(self.cli("-x", "SET", "from-stdin", text="long text"), "OK")
        self.assertEqual(self.cli("-3", "GET", "from-stdin"), "long text")
        self.assertEqual(set(self.cli("--scan").split()), {"k", "from-stdin"})
        self.assertIn("hot_hits:", self.cli("INFO"))
        self.assertIn("tier", self.cli("KACHEL.META", "k"))

    def test_a_mass_insertion_through_the_pipe_works(self):
        lines = "".join(f"SET k{i} v{i}\r\n" for i in range(2000))
        self.assertIn("errors: 0", self.cli("--pipe", text=lines))
        self.assertEqual(self.client.dbsize(), 2000)

    def kachel(self, *args):
        return subprocess.run([harness.binary("kachel"), *args], capture_output=True, text=True,
                              timeout=harness.DEADLINE_S)

    def test_kachel_stats_shows_the_counters(self):
        self.client.set("k", "v")
        self.client.get("k")
        address = f"127.0.0.1:{self.running.port}"
        table = self.kachel("stats", "--connect", address)
        self.assertEqual(table.returncode, 0, table.stdout + table.stderr)
        self.assertIn("hit", table.stdout)
        as_json = self.kachel("stats", "--connect", address, "--json")
        self.assertEqual(as_json.returncode, 0, as_json.stdout + as_json.stderr)
        self.assertIn("hot_hits", json.dumps(json.loads(as_json.stdout)))

    def test_kachel_says_what_is_wrong(self):
        self.assertEqual(self.kachel("no-such-command").returncode, 2)
        self.assertEqual(self.kachel("stats", "--no-such-flag").returncode, 2)
        self.running.stop()
        gone = self.kachel("stats", "--connect", f"127.0.0.1:{self.running.port}")
        self.assertGreater(gone.returncode, 0)
        self.assertIn("127.0.0.1", gone.stderr)
        self.assertEqual(self.kachel("--version").returncode, 0)


if __name__ == "__main__":
    harness.main()
