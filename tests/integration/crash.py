"""kill -9 in the midst of writes, again and again on one directory: nothing acknowledged in
group or strict mode is lost, and relaxed mode loses only the tail of each connection."""

import os
import shutil

import harness
from workload import Load

ROUNDS = 2 if harness.SANITIZED else 4
OPERATIONS = 3000 if harness.SANITIZED else 12000  # acknowledged before each kill


class CrashCase(harness.TestCase):
    def crash_rounds(self, durability, operations=OPERATIONS, prefix_only=False):
        server = self.server(durability=durability)
        load = Load(server, seed=durability)
        for round_number in range(ROUNDS):
            server.start()
            load.run_until(operations, server.kill, harness.DEADLINE_S)
            server.start()
            load.check(self, prefix_only)
            server.kill()  # and what was found once stays
            load.next_round(round_number)
        return server, load


class Group(CrashCase):
    def test_acknowledged_writes_survive_kill_9(self):
        self.crash_rounds("group")

    def test_a_deleted_index_is_rebuilt_and_nothing_is_lost(self):
        server, load = self.crash_rounds("group")
        shutil.rmtree(os.path.join(server.data, "index"))
        server.start()
        self.assertEqual(server.counter("start_index_rebuilt"), 1)
        load.check(self)
        self.assertEqual(server.stop(), 0)

    def test_a_stop_in_order_under_load_loses_nothing_acknowledged(self):
        server = self.server()
        load = Load(server, seed="sigterm")
        server.start()
        code = load.run_until(OPERATIONS, server.stop, harness.DEADLINE_S)
        self.assertEqual(code, 0, server.log_text())
        server.start()
        self.assertEqual(server.counter("start_clean"), 1)
        load.check(self)


class Strict(CrashCase):
    def test_acknowledged_writes_survive_kill_9(self):
        self.crash_rounds("strict", OPERATIONS // 4)


class Relaxed(CrashCase):
    def test_kill_9_loses_only_the_tail_of_each_connection(self):
        self.crash_rounds("relaxed", prefix_only=True)

    def test_a_stop_in_order_loses_nothing(self):
        server = self.server(durability="relaxed")
        load = Load(server, seed="relaxed-sigterm")
        server.start()
        code = load.run_until(OPERATIONS, server.stop, harness.DEADLINE_S)
        self.assertEqual(code, 0, server.log_text())
        server.start()
        load.check(self)


class Restart(harness.TestCase):
    def test_the_server_is_killed_right_after_its_start_many_times(self):
        server = self.server().start()
        with server.connect() as connection:
            for i in range(100):
                self.assertEqual(connection.call("SET", f"k{i}", f"v{i}"), "OK")
        server.kill()
        for _ in range(8):
            server.start()
            server.kill()
        server.start()
        with server.connect() as connection:
            for i in range(100):
                self.assertEqual(connection.call("GET", f"k{i}"), f"v{i}".encode())
            self.assertEqual(connection.call("DBSIZE"), 100)

    def test_a_stop_right_after_writes_is_in_order_every_time(self):
        server = self.server(durability="relaxed")
        for _ in range(20):
            server.start()
            with server.connect() as connection:
                connection.pipeline([("SET", f"k{i}", "x" * 500) for i in range(300)])
            self.assertEqual(server.stop(), 0, server.log_text())

    def test_expiries_survive_and_pass_while_the_server_is_down(self):
        server = self.server().start()
        with server.connect() as connection:
            connection.call("SET", "long", "1", "EX", 5000)
            connection.call("SET", "never", "2")
            connection.call("SET", "short", "3", "PX", 300)
            connection.call("EXPIRE", "never", 7000)
            connection.call("SET", "kept", "4", "EX", 100)
            connection.call("PERSIST", "kept")
            at = connection.call("PEXPIRETIME", "short")
        server.kill()
        self.eventually(lambda: harness.time.time() * 1000 > at, "the clock moves on")
        server.start()
        with server.connect() as connection:
            self.assertIsNone(connection.call("GET", "short"))
            self.assertLessEqual(connection.call("TTL", "long"), 5000)
            self.assertGreater(connection.call("TTL", "long"), 4000)
            self.assertGreater(connection.call("TTL", "never"), 6000)
            self.assertEqual(connection.call("TTL", "kept"), -1)
            self.assertEqual(connection.call("GET", "kept"), b"4")

    def test_flushdb_is_durable(self):
        server = self.server().start()
        with server.connect() as connection:
            connection.pipeline([("SET", f"k{i}", "x" * 100) for i in range(500)])
            connection.call("SELECT", 3)
            connection.call("SET", "other", "database")
            connection.call("SELECT", 0)
            self.assertEqual(connection.call("FLUSHDB"), "OK")
            self.assertEqual(connection.call("SET", "after", "1"), "OK")
        server.kill()
        server.start()
        with server.connect() as connection:
            self.assertEqual(connection.call("DBSIZE"), 1)
            self.assertIsNone(connection.call("GET", "k0"))
            self.assertEqual(connection.call("GET", "after"), b"1")
            connection.call("SELECT", 3)
            self.assertEqual(connection.call("GET", "other"), b"database")


if __name__ == "__main__":
    harness.main()
