"""A full disk: reads and erases go on, SETs are accepted and not stored, nothing stale is read,
and all works again once there is space, without a restart. On a small file system of its own,
mounted in a mount namespace of this process: nobody else sees it, and it ends with it."""

import os
import random
import subprocess
import sys
import unittest

import harness
from resp import Error

MIB = 1 << 20
DISK_BYTES = 96 * MIB
CAPACITY = "256MiB"  # far beyond the disk; segments of 4 MiB
NAMESPACE = "KACHEL_TEST_NAMESPACE"  # set in a process that has one
VALUE_BYTES = 20_000


def value(key, version=1):
    rng = random.Random(f"{key}/{version}")
    return f"{key}/{version}:".encode() + rng.randbytes(VALUE_BYTES)


class FullDisk:
    """The tests; the classes below say on what file system."""

    def setUp(self):
        super().setUp()
        if NAMESPACE not in os.environ:
            self.skipTest(f"NO FULL DISK WAS TESTED: {no_namespace()}")
        self.disk = self.path("disk")
        os.mkdir(self.disk)
        self.mount()
        # After the servers have ended: clean-ups run in reverse.
        self.addCleanup(subprocess.run, ["umount", "--lazy", self.disk], check=True)

    def store(self, *args):
        return self.server("--capacity", CAPACITY, *args, data="disk/data", memory="32MiB")

    # --- the foreign file that eats the space

    def eat(self, leave_bytes=0):
        """Takes all the space there is but `leave_bytes`."""
        with open(os.path.join(self.disk, "foreign"), "ab") as file:
            chunk = 4 * MIB
            while chunk >= 512:
                status = os.statvfs(self.disk)
                free = status.f_bavail * status.f_frsize - leave_bytes
                try:
                    if free < chunk:
                        raise OSError()
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), chunk)
                    file.seek(0, os.SEEK_END)
                except OSError:
                    chunk //= 2

    def give_back(self):
        os.remove(os.path.join(self.disk, "foreign"))

    # --- what clients do

    def set_all(self, connection, keys, version=1):
        keys = list(keys)
        for start in range(0, len(keys), 20):
            replies = connection.pipeline(
                [("SET", key, value(key, version)) for key in keys[start:start + 20]])
            self.assertEqual(set(replies), {"OK"}, "a SET on a full disk is accepted")

    def get_all(self, connection, keys, versions=(1,)):
        """The keys that are there. What is there is one of the versions."""
        keys, there = list(keys), []
        for start in range(0, len(keys), 20):
            some = keys[start:start + 20]
            for key, got in zip(some, connection.pipeline([("GET", key) for key in some])):
                if got is None:
                    continue
                self.assertTrue(any(got == value(key, v) for v in versions),
                                f"{key}: {got[:30]!r} is not what was set")
                there.append(key)
        return there

    def delete_all(self, connection, keys):
        for key in keys:
            reply = connection.call("DEL", key)
            self.assertNotIsInstance(reply, Error, reply)

    def segment_sizes(self, server):
        sizes = {}
        for path in server.segments():
            try:
                sizes[path] = os.stat(path).st_size
            except FileNotFoundError:  # it has just gone
                pass
        return sizes

    def entries_gone(self, server, sizes):
        """How many entries may have gone with segments since `sizes` was taken."""
        left = set(server.segments())
        return sum(size // VALUE_BYTES for path, size in sizes.items() if path not in left)

    def check_goes_on(self, server):
        """What must work whatever the disk."""
        self.assertEqual(server.counter("writable"), 1)
        with server.connect() as connection:
            self.assertEqual(connection.call("PING"), "PONG")

    def check_works_again(self, server):
        def stored():
            before = server.counter("sets_not_stored")
            with server.connect() as connection:
                for i in range(20):
                    self.assertEqual(connection.call("SET", f"new{i}", value(i, 9)), "OK")
                there = sum(connection.call("GET", f"new{i}") == value(i, 9) for i in range(20))
            return there == 20 and server.counter("sets_not_stored") == before
        self.eventually(stored, "SETs are stored again")
        self.assertEqual(server.counter("writable"), 1)

    # --- tests

    def test_a_capacity_beyond_the_disk(self):
        server = self.store().start()
        keys = [f"k{i}" for i in range(12 * MIB * 10 // VALUE_BYTES)]  # 120 MiB
        with server.connect() as connection:
            self.set_all(connection, keys)
            self.check_goes_on(server)
            there = self.get_all(connection, keys)
            self.assertGreater(len(there), 1000)
            self.set_all(connection, there[:200], version=2)  # never the old one, stored or not
            self.get_all(connection, there[:200], versions=(2,))
            self.delete_all(connection, there[200:400])
            self.assertEqual(self.get_all(connection, there[200:400]), [])
            self.check_goes_on(server)
        server.kill()
        server.start()
        with server.connect() as connection:
            self.assertEqual(self.get_all(connection, there[200:400]), [])
            self.get_all(connection, there[:200], versions=(2,))
            self.assertGreater(len(self.get_all(connection, there[400:])), 500)
            self.assertEqual(connection.call("FLUSHDB"), "OK")
        self.check_works_again(server)
        self.assertEqual(server.stop(), 0, server.log_text())

    def test_a_foreign_file_that_eats_the_space(self):
        server = self.store().start()
        keys = [f"k{i}" for i in range(1000)]  # 20 MB
        with server.connect() as connection:
            self.set_all(connection, keys)
            self.eat()
            more = [f"more{i}" for i in range(4000)]  # 80 MB
            self.set_all(connection, more)
            info = server.info()
            self.assertGreater(info["sets_not_stored"] + info["evicted_segments"], 0)
            self.check_goes_on(server)
            there = self.get_all(connection, keys)
            self.get_all(connection, more)
            self.delete_all(connection, there[:300])
            self.assertEqual(self.get_all(connection, there[:300]), [])
            self.set_all(connection, there[300:400], version=2)
            self.get_all(connection, there[300:400], versions=(2,))
        self.check_goes_on(server)
        self.give_back()
        self.check_works_again(server)
        with server.connect() as connection:
            self.assertEqual(self.get_all(connection, there[:300]), [])
            self.get_all(connection, there[300:400], versions=(2,))
        self.assertEqual(server.stop(), 0, server.log_text())

    def test_kill_9_and_starts_on_a_full_disk(self):
        server = self.store().start()
        keys = [f"k{i}" for i in range(1000)]
        with server.connect() as connection:
            self.set_all(connection, keys)
            self.eat()
            more = [f"more{i}" for i in range(1000)]
            self.set_all(connection, more)
            erased = self.get_all(connection, keys)[:100]
            self.delete_all(connection, erased)
        for _ in range(3):
            with server.connect() as connection:
                sizes = self.segment_sizes(server)
                before = self.get_all(connection, keys + more)
            server.kill()
            evicted = self.entries_gone(server, sizes)
            self.eat()  # what the server gave back, too
            server.start()
            with server.connect() as connection:
                self.assertEqual(self.get_all(connection, erased), [])
                there = self.get_all(connection, keys + more)
                evicted += server.counter("evicted_entries")
                self.assertLessEqual(len(set(before) - set(there)), evicted,
                                     f"lost, not evicted: {server.info()}")
                self.assertGreater(len(there), 200)
                self.delete_all(connection, there[:10])
                erased += there[:10]
            self.check_goes_on(server)
        server.kill()
        self.give_back()
        server.start()
        self.check_works_again(server)
        with server.connect() as connection:
            self.assertEqual(self.get_all(connection, erased), [])
        self.assertEqual(server.stop(), 0, server.log_text())

    def test_starts_however_little_room_is_left(self):
        server = self.store().start()
        keys = [f"k{i}" for i in range(200)]
        with server.connect() as connection:
            self.set_all(connection, keys)
            self.eat()
            self.set_all(connection, [f"more{i}" for i in range(200)])
            self.delete_all(connection, keys[:20])
        step = 32 if harness.SANITIZED else 4
        for kib in (*range(0, 64, step), *range(64, 256, 4 * step)):
            server.kill()
            self.give_back()
            self.eat(leave_bytes=kib * 1024)
            server.start()
            with server.connect() as connection:
                self.assertEqual(self.get_all(connection, keys[:20]), [], f"{kib} KiB left")
        self.assertEqual(server.stop(), 0, server.log_text())

    def test_an_index_that_finds_no_room_for_its_flush(self):
        server = self.store().start()
        small = [f"small{i}" for i in range(40_000)]  # more than between two flushes
        with server.connect() as connection:
            self.set_all(connection, [f"k{i}" for i in range(500)])
            self.eat()
            for version, count in enumerate((len(small), 4000, 4000)):
                for start in range(0, count, 500):
                    some = small[start:start + 500]
                    replies = connection.pipeline([("SET", key, f"{version}") for key in some])
                    self.assertEqual(set(replies), {"OK"})
                for key in small[:count:100]:
                    self.assertIn(connection.call("GET", key), (None, f"{version}".encode()))
                self.delete_all(connection, small[:300])
            self.check_goes_on(server)
            flushes, errors = server.counter("index_flushes"), server.counter("io_errors")
            self.assertGreater(flushes, 0)
            self.assertGreater(errors, 0, "the disk was not full")
        self.give_back()
        self.check_works_again(server)
        with server.connect() as connection:
            self.assertEqual(connection.pipeline([("GET", key) for key in small[:300]]),
                             [None] * 300)
            for start in range(0, len(small), 500):
                connection.pipeline([("SET", key, "9") for key in small[start:start + 500]])
        server.kill()
        server.start()
        with server.connect() as connection:
            for start in range(0, len(small), 500):
                some = small[start:start + 500]
                self.assertEqual(set(connection.pipeline([("GET", key) for key in some])), {b"9"})
        self.assertEqual(server.stop(), 0, server.log_text())

    def test_a_new_store_on_a_disk_with_hardly_any_room(self):
        self.eat(leave_bytes=4 * MIB - 128 * 1024)  # less than a segment
        server = self.store().start()
        with server.connect() as connection:
            self.assertEqual(connection.call("SET", "k", "v" * 1000), "OK")
            self.assertIsNone(connection.call("GET", "k"))
        self.assertGreater(server.counter("sets_not_stored"), 0)
        self.check_goes_on(server)
        self.give_back()
        self.check_works_again(server)
        self.assertEqual(server.stop(), 0, server.log_text())

    def test_a_stop_on_a_full_disk(self):
        server = self.store().start()
        keys = [f"k{i}" for i in range(1000)]
        with server.connect() as connection:
            self.set_all(connection, keys)
            self.eat()
            self.set_all(connection, [f"more{i}" for i in range(1000)])
            there = self.get_all(connection, keys)
            self.delete_all(connection, there[:50])
        server.stop()  # in order or not: it ends
        self.give_back()
        server.start()
        with server.connect() as connection:
            self.assertEqual(self.get_all(connection, there[:50]), [])
        self.check_works_again(server)


class Tmpfs(FullDisk, harness.TestCase):
    def mount(self):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", self.disk],
                       check=True)


class Ext4(FullDisk, harness.TestCase):
    def mount(self):
        image = self.path("image")
        with open(image, "wb") as file:
            file.truncate(DISK_BYTES)
        made = subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], capture_output=True,
                              text=True, check=False)
        mounted = made.returncode == 0 and subprocess.run(
            ["mount", "-o", "loop", image, self.disk], capture_output=True, text=True,
            check=False)
        if not mounted or mounted.returncode != 0:
            reason = (mounted or made).stderr.strip()
            self.skipTest(f"NO FULL EXT4 WAS TESTED: it could not be made or mounted: {reason}")


def unshare(*command):
    """Root gets a mount namespace; others one of a user namespace, where that is allowed."""
    flags = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user"]
    return ["unshare", *flags, "--propagation", "private", *command]


def no_namespace():
    """Why mounting is refused; empty when it is not."""
    try:
        probe = subprocess.run(unshare("mount", "-t", "tmpfs", "none", "/mnt"),
                               capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return str(error)
    return "" if probe.returncode == 0 else f"mounting is refused: {probe.stderr.strip()}"


def main():
    if NAMESPACE not in os.environ and not no_namespace():
        os.environ[NAMESPACE] = "1"
        command = unshare(sys.executable, "-B", *sys.argv)
        os.execvp(command[0], command)
    harness.main()


if __name__ == "__main__":
    main()
