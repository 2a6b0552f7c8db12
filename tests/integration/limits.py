"""Bounds: of values, keys, clients, idleness and memory. Beyond them: a clear answer."""

import os

import redis

import harness
from resp import Closed, Error, encode

MIB = 1 << 20


class Processors(harness.TestCase):
    def used_by(self, server):
        """Which lists of processors its threads keep to, and how many threads to each."""
        found = {}
        tasks = f"/proc/{server.process.pid}/task"
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/status") as status:
                text = status.read()
            allowed = text.split("Cpus_allowed_list:")[1].split()[0]
            found[allowed] = found.get(allowed, 0) + 1
        return found

    def test_workers_keep_to_theirs_and_all_else_off_them(self):
        mine = sorted(os.sched_getaffinity(0))
        if len(mine) < 2 or len(mine) > 16:
            self.skipTest("this host has one processor, or many")
        server = self.server("--threads", "1").start()
        used = self.used_by(server)
        self.assertEqual(used.pop(str(mine[0])), 1)
        self.assertEqual(len(used), 1, used)
        self.assertIn(f"clients are served on processors {mine[0]}", server.log_text())
        server.stop()
        server = self.server("--threads", "1", "--worker-cpus", "any").start()
        self.assertEqual(len(self.used_by(server)), 1)
        server.stop()
        server = self.server("--threads", "1", "--worker-cpus", str(mine[-1])).start()
        self.assertEqual(self.used_by(server)[str(mine[-1])], 1)
        code, output = self.run_kacheld("--data", self.path("new"), "--listen", "127.0.0.1:0",
                                        "--worker-cpus", "1000")
        self.assertEqual(code, 2, output)
        self.assertIn("this process may use only", output)


class Values(harness.TestCase):
    def test_a_value_above_the_limit_is_refused_and_the_connection_goes_on(self):
        server = self.server("--max-value", "1MiB").start()
        with server.connect() as connection:
            self.assertEqual(connection.call("SET", "k", "x" * MIB), "OK")
            reply = connection.call("SET", "k", "y" * (MIB + 1))
            self.assertIsInstance(reply, Error)
            self.assertEqual(connection.call("PING"), "PONG")
            self.assertEqual(connection.call("GET", "k"), b"x" * MIB)

    def test_the_largest_value_comes_back(self):
        server = self.server(memory="256MiB").start()
        value = bytes(range(256)) * (64 * MIB // 256)
        with server.connect() as connection:
            self.assertEqual(connection.call("SET", "k", value), "OK")
            self.assertEqual(connection.call("STRLEN", "k"), 64 * MIB)
            self.assertTrue(connection.call("GET", "k") == value)
        server.kill()
        server.start()
        with server.connect() as connection:
            self.assertTrue(connection.call("GET", "k") == value)

    def test_a_key_above_the_limit_is_refused_and_the_connection_goes_on(self):
        server = self.server().start()
        with server.connect() as connection:
            key = "k" * (64 * 1024)
            self.assertEqual(connection.call("SET", key, "v"), "OK")
            self.assertEqual(connection.call("GET", key), b"v")
            self.assertIsInstance(connection.call("SET", key + "k", "v"), Error)
            self.assertEqual(connection.call("PING"), "PONG")


class Clients(harness.TestCase):
    def test_beyond_the_clients_allowed_a_connection_is_told_so_and_closed(self):
        server = self.server("--max-clients", "10").start()
        connections = [server.connect() for _ in range(10)]
        for connection in connections:
            self.assertEqual(connection.call("PING"), "PONG")
        with server.connect() as one_too_many:
            try:
                reply = one_too_many.read()
                self.assertIsInstance(reply, Error)
                self.assertIn("max number of clients", str(reply))
            except Closed:
                pass  # the reset overtook the error
            self.assertTrue(one_too_many.at_end())
        connections.pop().close()

        def admitted():
            with server.connect() as connection:
                try:
                    return connection.call("PING") == "PONG"
                except Closed:
                    return False
        self.eventually(admitted, "a place that became free is given away")
        for connection in connections:
            self.assertEqual(connection.call("PING"), "PONG")
            connection.close()

    def test_an_idle_connection_is_closed(self):
        server = self.server("--idle-timeout", "1s").start()
        with server.connect() as connection:
            self.assertEqual(connection.call("PING"), "PONG")
            self.assertTrue(connection.at_end())

    def test_redis_benchmark_runs(self):
        server = self.server().start()
        for pipeline in ("1", "16"):
            result = harness.subprocess.run(
                ["redis-benchmark", "-p", str(server.port), "-q", "-n", "2000", "-c", "20",
                 "-P", pipeline, "-d", "512", "-r", "500", "-t", "set,get,ping,mset"],
                capture_output=True, text=True, timeout=harness.DEADLINE_S)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            self.assertNotIn("rror", result.stdout + result.stderr)


class Memory(harness.TestCase):
    """RSS is bounded by the server, not by what clients announce or leave unread. The
    sanitizers' own memory drowns the figures, so there only liveness is looked at."""

    SLACK = 128 * MIB  # code, RocksDB's own, thread stacks, allocator

    def check_rss(self, server, before):
        if not harness.SANITIZED:
            self.assertLess(server.rss_bytes() - before, self.SLACK)

    def test_announced_but_unsent_values_take_no_memory(self):
        server = self.server().start()
        before = server.rss_bytes()
        connections = [server.connect() for _ in range(64)]
        for connection in connections:
            connection.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$67108864\r\nbeginning")
        with server.connect() as other:
            self.assertEqual(other.call("PING"), "PONG")
        self.check_rss(server, before)
        for connection in connections:
            connection.close()

    def test_replies_nobody_reads_are_bounded_and_others_are_served(self):
        server = self.server().start()
        with server.connect() as connection:
            self.assertEqual(connection.call("SET", "big", "x" * MIB), "OK")
        before = server.rss_bytes()
        slow = [server.connect() for _ in range(4)]
        for connection in slow:
            connection.send_raw(encode("GET", "big") * 500)
        with server.connect() as other:
            for _ in range(100):
                self.assertEqual(other.call("PING"), "PONG")
            self.check_rss(server, before)
        for connection in slow:
            connection.close()

    def test_a_pipeline_of_a_thousand_large_replies_is_answered_in_full(self):
        server = self.server().start()
        with server.connect() as connection:
            value = b"x" * (256 * 1024)
            self.assertEqual(connection.call("SET", "big", value), "OK")
            connection.send_raw(encode("GET", "big") * 1000)
            for _ in range(1000):
                self.assertTrue(connection.read() == value)

    def test_the_memory_bound_can_be_moved_while_running(self):
        server = self.server(memory="64MiB").start()
        client = server.client()
        for i in range(200):
            client.set(f"k{i}", bytes([i]) * 100000)
        try:
            client.config_set("maxmemory", "32MiB")
        except redis.ResponseError as error:
            self.fail(f"CONFIG SET maxmemory: {error}")
        self.assertEqual(server.counter("maxmemory"), 32 * MIB)
        self.assertLessEqual(server.counter("hot_bytes"), 32 * MIB)
        for i in range(200):
            self.assertEqual(client.get(f"k{i}"), bytes([i]) * 100000)
        client.close()


if __name__ == "__main__":
    harness.main()
