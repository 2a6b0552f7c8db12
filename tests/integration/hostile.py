"""Hostile surroundings: wrong flags, directories that are not ours, damage on disk, garbage
and stillness on the socket. The server refuses with a clear word, or goes on; it never
crashes and never gives back a value that was not set for the key."""

import os
import random
import shutil
import socket
import struct
import unittest

import xxhash

import harness
from resp import Closed, Error, encode

USAGE, NO_STORE, LOCKED, KEY_MISSING = 2, 10, 11, 12
COPY_BYTES = 4096  # of the superblock: docs/format.md
SEEDS = 1 if harness.SANITIZED else 6


class Flags(harness.TestCase):
    def refused(self, *args, code=USAGE):
        actual, output = self.run_kacheld(*args)
        self.assertEqual(actual, code, output)
        self.assertTrue(output.strip(), "says nothing")
        return output

    def test_wrong_flags_are_usage_errors(self):
        data = ("--data", self.path("data"), "--listen", "127.0.0.1:0")
        self.refused("--no-such-flag")
        self.refused("--listen", "127.0.0.1:0")  # no --data
        self.refused(*data, "--memory", "lots")
        self.refused(*data, "--memory", "1KiB")
        self.refused(*data, "--capacity", "-5")
        self.refused(*data, "--durability", "sometimes")
        self.refused(*data, "--threads", "many")
        self.refused(*data[:2], "--listen", "127.0.0.1:99999")
        self.refused(*data, "--config", self.path("no-such-file.toml"))
        self.assertFalse(os.path.exists(self.path("data")), "a refused start created the store")

    def test_a_wrong_configuration_file_is_a_usage_error(self):
        path = self.path("kachel.toml")
        for text in ("memory = ", 'memory = "lots"', 'no_such_name = 1', "[[["):
            with open(path, "w") as file:
                file.write(text)
            with self.subTest(text=text):
                self.refused("--data", self.path("data"), "--config", path)

    def test_a_flag_wins_over_the_configuration_file(self):
        path = self.path("kachel.toml")
        with open(path, "w") as file:
            file.write('memory = "128MiB"\ncapacity = "1GiB"\n')
        server = self.server("--config", path, memory="32MiB").start()
        self.assertEqual(server.counter("maxmemory"), 32 << 20)
        self.assertEqual(server.counter("capacity_bytes"), 1 << 30)
        self.assertEqual(server.stop(), 0)

    def test_a_busy_port_is_reported(self):
        with socket.create_server(("127.0.0.1", 0)) as busy:
            port = busy.getsockname()[1]
            code, output = self.run_kacheld(
                "--data", self.path("data"), "--listen", f"127.0.0.1:{port}")
        self.assertGreater(code, 0, output)
        self.assertIn(str(port), output)

    def test_listening_beyond_loopback_is_refused(self):
        code, output = self.run_kacheld("--data", self.path("data"), "--listen", "0.0.0.0:0")
        self.assertGreater(code, 0, output)
        self.assertIn("listen on 127.0.0.1", output)

    def test_http_has_the_same_bounds(self):
        data = ("--data", self.path("data"), "--listen", "127.0.0.1:0")
        self.assertIn("serve on 127.0.0.1", self.refused(*data, "--http", "0.0.0.0:0"))
        self.assertIn("off, for no HTTP", self.refused(*data, "--http", "6381"))
        with socket.create_server(("127.0.0.1", 0)) as busy:
            endpoint = f"127.0.0.1:{busy.getsockname()[1]}"
            code, output = self.run_kacheld(*data, "--http", endpoint)
        self.assertGreater(code, 0, output)
        self.assertIn("choose another with --http", output)
        self.assertFalse(os.path.exists(self.path("data")), "a refused start created the store")

    def test_version_and_help_are_no_errors(self):
        for flag in ("--help", "--version"):
            code, output = self.run_kacheld(flag)
            self.assertEqual(code, 0, output)
            self.assertTrue(output.strip())


class Directories(harness.TestCase):
    def refused(self, code=None, data="data"):
        actual, output = self.run_kacheld("--data", self.path(data), "--listen", "127.0.0.1:0")
        self.assertGreater(actual, 0, output)
        if code is not None:
            self.assertEqual(actual, code, output)
        return output

    def make_store(self):
        server = self.server().start()
        with server.connect() as connection:
            self.assertEqual(connection.call("SET", "k", "v"), "OK")
        self.assertEqual(server.stop(), 0)
        return server

    def patch_superblock(self, data, version, oldest_reader):
        path = os.path.join(data, "superblock")
        with open(path, "r+b") as file:
            for offset in (0, COPY_BYTES):
                file.seek(offset)
                copy = bytearray(file.read(COPY_BYTES))
                if not copy.startswith(b"KACHELSB"):
                    continue
                copy[8:16] = struct.pack("<II", version, oldest_reader)
                copy[-8:] = struct.pack("<Q", xxhash.xxh3_64_intdigest(bytes(copy[:-8])))
                file.seek(offset)
                file.write(copy)

    def test_a_directory_without_its_parent_is_refused(self):
        self.refused(NO_STORE, data="no/such/parent/data")

    def test_a_file_in_place_of_the_directory_is_refused(self):
        with open(self.path("data"), "w") as file:
            file.write("not a directory")
        self.refused()

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_a_directory_that_cannot_be_written_is_refused(self):
        os.mkdir(self.path("data"), 0o555)
        self.assertIn("ermission", self.refused())

    def test_a_directory_with_other_things_in_it_is_left_alone(self):
        os.mkdir(self.path("data"))
        with open(self.path("data/superblock"), "wb") as file:
            file.write(b"somebody else's" * 1000)
        self.refused(NO_STORE)
        with open(self.path("data/superblock"), "rb") as file:
            self.assertEqual(file.read(), b"somebody else's" * 1000)

    def test_a_newer_format_is_refused_and_named(self):
        server = self.make_store()
        self.patch_superblock(server.data, 7, 7)
        output = self.refused()
        self.assertIn("version", output)
        self.assertIn("7", output)

    def test_a_newer_format_that_older_readers_may_read_is_opened(self):
        server = self.make_store()
        self.patch_superblock(server.data, 2, 1)
        server.start()
        with server.connect() as connection:
            self.assertEqual(connection.call("GET", "k"), b"v")

    def test_one_damaged_superblock_copy_is_survived(self):
        for copy in (0, 1):
            with self.subTest(copy=copy):
                server = self.make_store()
                with open(os.path.join(server.data, "superblock"), "r+b") as file:
                    file.seek(copy * COPY_BYTES + 100)
                    file.write(b"damage")
                server.start()
                with server.connect() as connection:
                    self.assertEqual(connection.call("GET", "k"), b"v")
                self.assertEqual(server.stop(), 0)

    def test_two_damaged_superblock_copies_are_refused(self):
        server = self.make_store()
        with open(os.path.join(server.data, "superblock"), "r+b") as file:
            for copy in (0, 1):
                file.seek(copy * COPY_BYTES + 100)
                file.write(b"damage")
        self.refused()

    def test_a_second_server_on_the_directory_is_refused(self):
        server = self.server().start()
        self.assertIn(str(server.process.pid), self.refused(LOCKED))
        with server.connect() as connection:
            self.assertEqual(connection.call("SET", "still", "here"), "OK")

    def test_without_the_key_file_the_store_is_not_opened(self):
        server = self.make_store()
        os.rename(os.path.join(server.data, "key"), self.path("key-elsewhere"))
        self.refused(KEY_MISSING)
        self.assertFalse(os.path.exists(os.path.join(server.data, "key")))
        os.rename(self.path("key-elsewhere"), os.path.join(server.data, "key"))
        server.start()
        with server.connect() as connection:
            self.assertEqual(connection.call("GET", "k"), b"v")

    def test_another_stores_key_file_does_not_fit(self):
        server = self.make_store()
        other = self.server(data="other").start()
        self.assertEqual(other.stop(), 0)
        shutil.copy(os.path.join(other.data, "key"), os.path.join(server.data, "key"))
        self.refused(KEY_MISSING)

    def test_another_stores_segments_are_not_served(self):
        other = self.server(data="other").start()
        with other.connect() as connection:
            connection.call("SET", "secret", "of another store")
        self.assertEqual(other.stop(), 0)
        server = self.make_store()
        for i, path in enumerate(other.segments()):
            shutil.copy(path, os.path.join(server.data, "segments", f"{0xffff00 + i:016x}.seg"))
        shutil.rmtree(os.path.join(server.data, "index"))
        server.start()
        with server.connect() as connection:
            self.assertEqual(connection.call("GET", "k"), b"v")
            self.assertIsNone(connection.call("GET", "secret"))
        self.assertGreaterEqual(server.counter("start_damaged_segments"), 1)


class Damage(harness.TestCase):
    """Bytes of segments change behind the server's back."""

    ENTRIES = 1500
    OVERWRITTEN = 200  # of them, once

    @staticmethod
    def value(i, version):
        rng = random.Random(f"{i}/{version}")
        return f"{i}/{version}:".encode() + rng.randbytes(rng.randrange(100, 16000))

    def fill(self, stop):
        """A store of about 13 MB in segments of 4 MiB: sealed ones and an open one."""
        server = self.server("--capacity", "256MiB").start()
        with server.connect() as connection:
            for version, count in ((1, self.ENTRIES), (2, self.OVERWRITTEN)):
                for start in range(0, count, 50):
                    replies = connection.pipeline(
                        [("SET", f"k{i}", self.value(i, version))
                         for i in range(start, min(count, start + 50))])
                    self.assertEqual(set(replies), {"OK"})
        stop(server)
        shutil.copytree(server.data, self.path("pristine"))
        return server

    def restore(self, server):
        server.destroy()
        shutil.rmtree(server.data)
        shutil.copytree(self.path("pristine"), server.data)

    def read_all(self, server, stale_allowed=False):
        """Entries lost. Whatever is there is what was set."""
        lost = 0
        with server.connect() as connection:
            for start in range(0, self.ENTRIES, 50):
                keys = range(start, min(self.ENTRIES, start + 50))
                values = connection.pipeline([("GET", f"k{i}") for i in keys])
                for i, value in zip(keys, values):
                    current = 2 if i < self.OVERWRITTEN else 1
                    versions = range(1, current + 1) if stale_allowed else (current,)
                    if value is None:
                        lost += 1
                    else:
                        self.assertTrue(any(value == self.value(i, v) for v in versions),
                                        f"k{i}: {value[:20]!r}... is not its value")
            self.assertEqual(connection.call("SET", "new", "1"), "OK")
            self.assertEqual(connection.call("GET", "new"), b"1")
        return lost

    def flip(self, server, seed, flips):
        rng = random.Random(seed)
        for _ in range(flips):
            path = rng.choice(server.segments())
            size = os.path.getsize(path)
            if size <= COPY_BYTES:
                continue
            offset = rng.randrange(COPY_BYTES, size)  # headers: a test of their own
            with open(path, "r+b") as file:
                file.seek(offset)
                byte = file.read(1)[0]
                file.seek(offset)
                file.write(bytes([byte ^ (1 << rng.randrange(8))]))

    def check_flips(self, stop, drop_index=False, stale_allowed=False):
        """`stale_allowed`: where the index does not know a damaged record yet, an older value
        of its key is the newest that is known."""
        server = self.fill(stop)
        for seed in range(SEEDS):
            with self.subTest(seed=seed):
                self.restore(server)
                if drop_index:
                    shutil.rmtree(os.path.join(server.data, "index"))
                self.flip(server, seed, flips=40)
                server.start()
                lost = self.read_all(server, stale_allowed)
                info = server.info()
                found = info["damaged_reads"] + info["start_damaged_records"]
                self.assertLessEqual(lost, 40)
                self.assertGreater(found, 0, "damage was not counted")
                self.assertGreaterEqual(found, lost)
                server.kill()
                server.start()  # and the state left by all that opens again
                self.read_all(server, stale_allowed)
                server.kill()

    def test_flipped_bits_after_a_stop_in_order_cost_their_records_only(self):
        self.check_flips(lambda server: self.assertEqual(server.stop(), 0))

    def test_flipped_bits_after_kill_9_cost_their_records_only(self):
        self.check_flips(lambda server: server.kill(), stale_allowed=True)

    def test_flipped_bits_without_an_index_cost_their_records_only(self):
        self.check_flips(lambda server: server.kill(), drop_index=True, stale_allowed=True)

    def test_a_damaged_header_never_gives_a_wrong_value(self):
        server = self.fill(lambda server: server.kill())
        for drop_index in (False, True):
            with self.subTest(drop_index=drop_index):
                self.restore(server)
                if drop_index:
                    shutil.rmtree(os.path.join(server.data, "index"))
                with open(server.segments()[0], "r+b") as file:
                    file.write(b"\0" * 64)
                server.start()
                lost = self.read_all(server, stale_allowed=True)
                self.assertLess(lost, self.ENTRIES)
                server.kill()

    def test_truncated_segments_never_give_a_wrong_value(self):
        server = self.fill(lambda server: server.kill())
        for keep in (0, 100, COPY_BYTES, COPY_BYTES + 777, 1 << 20):
            for which in (0, -1):
                with self.subTest(keep=keep, which=which):
                    self.restore(server)
                    path = server.segments()[which]
                    if os.path.getsize(path) <= keep:
                        continue
                    os.truncate(path, keep)
                    server.start()
                    self.read_all(server, stale_allowed=True)
                    server.kill()

    def test_a_missing_segment_costs_its_records_only(self):
        server = self.fill(lambda server: server.kill())
        os.remove(server.segments()[0])
        server.start()
        self.assertLess(self.read_all(server, stale_allowed=True), self.ENTRIES)

    def test_a_damaged_index_is_rebuilt(self):
        server = self.fill(lambda server: self.assertEqual(server.stop(), 0))
        index = os.path.join(server.data, "index")
        for name in os.listdir(index):
            if name.startswith("MANIFEST") or name == "CURRENT":
                with open(os.path.join(index, name), "r+b") as file:
                    file.write(b"damaged" * 3)
        server.start()
        self.assertEqual(server.counter("start_index_rebuilt"), 1)
        self.assertEqual(self.read_all(server), 0)

    def test_an_index_that_lacks_files_is_rebuilt(self):
        """As a kill leaves it that strikes while a useless index is being removed."""
        server = self.fill(lambda server: self.assertEqual(server.stop(), 0))
        index = os.path.join(server.data, "index")
        for prefix in ("MANIFEST", "CURRENT"):
            with self.subTest(prefix=prefix):
                for name in os.listdir(index):
                    if name.startswith(prefix):
                        os.remove(os.path.join(index, name))
                server.start()
                self.assertEqual(server.counter("start_index_rebuilt"), 1)
                self.assertEqual(self.read_all(server), 0)
                self.assertEqual(server.stop(), 0)

    def test_a_file_that_is_no_segment_is_left_alone(self):
        server = self.fill(lambda server: server.kill())
        stray = os.path.join(server.data, "segments", "notes.txt")
        with open(stray, "w") as file:
            file.write("an operator's")
        server.start()
        self.assertEqual(self.read_all(server), 0)
        server.stop()
        self.assertTrue(os.path.exists(stray))


class Sockets(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.running = self.server().start()

    def tearDown(self):
        with self.running.connect() as connection:
            self.assertEqual(connection.call("PING"), "PONG")
        self.assertEqual(self.running.stop(), 0, self.running.log_text())

    def refuses(self, data):
        """An error reply, then the end of the connection."""
        with self.running.connect() as connection:
            try:
                connection.send_raw(data)
                self.assertIsInstance(connection.read(), Error, data[:60])
                self.assertTrue(connection.at_end(), data[:60])
            except Closed:
                pass  # the server closed before it had read all: the reset overtook the error

    def test_protocol_errors_are_answered_and_end_the_connection(self):
        for data in (
            b"*1\r\n+PING\r\n",
            b"*1\r\n$-5\r\n",
            b"*1\r\n$abc\r\nPING\r\n",
            b"*99999999999999999999\r\n",
            b"*2147483648\r\n",
            b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$999999999999\r\n",
            b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$9223372036854775807\r\n",
            b"*1\r\n$99999999999999999999\r\n",
        ):
            with self.subTest(data=data):
                self.refuses(data)

    def test_a_line_without_end_is_bounded(self):
        self.refuses(b"A" * (1 << 20))
        self.refuses(b"*" + b"1" * (1 << 20))

    def test_random_bytes_do_no_harm(self):
        rng = random.Random(1)
        for _ in range(200):
            with self.running.connect() as connection:
                try:
                    connection.send_raw(rng.randbytes(rng.randrange(1, 4096)))
                except Closed:
                    pass

    def test_mutated_requests_do_no_harm(self):
        rng = random.Random(2)
        requests = encode("SET", "k", "v" * 100, "EX", "10") + encode("MGET", "k", "l", "m") + \
            encode("KACHEL.SET", "k", "v", "SUBJECT", "s", "TOKENS", "1", "2")
        for _ in range(300):
            data = bytearray(requests)
            for _ in range(rng.randrange(1, 4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            with self.running.connect() as connection:
                try:
                    connection.send_raw(bytes(data))
                except Closed:
                    pass

    def test_a_request_byte_by_byte_is_understood(self):
        with self.running.connect() as connection:
            for byte in encode("SET", "slow", "but\r\nwhole") + encode("GET", "slow"):
                connection.send_raw(bytes([byte]))
            self.assertEqual(connection.read(), "OK")
            self.assertEqual(connection.read(), b"but\r\nwhole")

    def test_inline_commands_are_understood(self):
        with self.running.connect() as connection:
            connection.send_raw(b"PING\r\nset inline yes\r\n\r\nget inline\n")
            self.assertEqual([connection.read() for _ in range(3)], ["PONG", "OK", b"yes"])

    def test_connections_closed_in_the_midst_of_a_pipeline_do_no_harm(self):
        pipeline = b"".join(
            encode("SET", f"k{i}", "x" * 3000) + encode("GET", f"k{i}") for i in range(200))
        rng = random.Random(3)
        for _ in range(50):
            connection = self.running.connect()
            connection.send_raw(pipeline[:rng.randrange(len(pipeline))])
            # Unread replies make the close a reset.
            connection.close()

    def test_a_half_closed_connection_gets_its_replies(self):
        with self.running.connect() as connection:
            connection.send_raw(b"".join(encode("SET", f"k{i}", "v") for i in range(100)))
            connection.socket.shutdown(socket.SHUT_WR)
            self.assertEqual([connection.read() for _ in range(100)], ["OK"] * 100)
            self.assertTrue(connection.at_end())


if __name__ == "__main__":
    harness.main()
