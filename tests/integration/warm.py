"""A start refills the hot tier with what it had: after a stop, and after kill -9."""

import os
import subprocess

import harness
import http_client

ENTRIES = 2000


class Restart(harness.TestCase):
    def setUp(self):
        super().setUp()
        # What the hot tier has is noted twice within erase_within.
        self.config = self.path("kachel.toml")
        with open(self.config, "w") as file:
            file.write('[tenant.default]\nerase_within = "10s"\n')

    @staticmethod
    def value(i):
        return f"answer {i} ".encode() * 150

    def fill(self, server):
        with server.connect() as connection:
            replies = connection.pipeline([("SET", f"k{i}", self.value(i))
                                           for i in range(ENTRIES)])
            self.assertEqual(set(replies), {"OK"})

    def read_all(self, server, there):
        with server.connect() as connection:
            got = connection.pipeline([("GET", f"k{i}") for i in range(ENTRIES)])
        for i, value in enumerate(got):
            self.assertEqual(value, self.value(i) if there(i) else None, f"k{i}")

    def await_warmth(self, server):
        self.eventually(lambda: server.info("start")["warming"] == 0, "a warm hot tier")
        # Said after that is so, and read by another thread.
        self.eventually(lambda: "the hot tier is warm again" in server.log_text(), "the log says so")

    def test_after_a_stop_reads_are_answered_from_memory(self):
        server = self.server("--config", self.config, memory="64MiB").start()
        self.fill(server)
        self.assertEqual(server.stop(), 0)
        server.start()
        self.await_warmth(server)
        self.assertEqual(server.info("start")["warm_entries_warmed"], ENTRIES)
        self.read_all(server, lambda i: True)
        info = server.info("tiers")
        self.assertEqual((info["hot_hits"], info["flash_hits"]), (ENTRIES, 0))

    def test_after_a_kill_too_and_nothing_erased_comes_back(self):
        server = self.server("--config", self.config, memory="64MiB").start()
        self.fill(server)
        saves = server.info("start")["hot_saves"]
        self.eventually(lambda: server.info("start")["hot_saves"] >= saves + 2, "saves")
        with server.connect() as connection:
            self.assertEqual(connection.call("DEL", *(f"k{i}" for i in range(0, ENTRIES, 2))),
                             ENTRIES // 2)
        server.kill()
        server.start()
        self.await_warmth(server)
        self.read_all(server, lambda i: i % 2 == 1)
        info = server.info("tiers")
        self.assertEqual((info["hot_hits"], info["flash_hits"]), (ENTRIES // 2, 0))
        self.assertEqual(server.stop(), 0)
        checked = subprocess.run([harness.binary("kachel"), "verify", "--data", server.data],
                                 capture_output=True, text=True, timeout=harness.DEADLINE_S)
        self.assertEqual(checked.returncode, 0, checked.stdout)
        # A flipped byte is found, and costs no start.
        path = os.path.join(server.data, "hot", "manifest")
        with open(path, "r+b") as file:
            file.seek(100)
            byte = file.read(1)[0]
            file.seek(100)
            file.write(bytes([byte ^ 1]))
        checked = subprocess.run([harness.binary("kachel"), "verify", "--data", server.data],
                                 capture_output=True, text=True, timeout=harness.DEADLINE_S)
        self.assertEqual(checked.returncode, 1)
        self.assertIn("hot_manifest", checked.stdout)
        server.start()
        self.read_all(server, lambda i: i % 2 == 1)

    def test_it_serves_meanwhile_and_says_how_far_it_is(self):
        server = self.server("--config", self.config, *http_client.ON, memory="128MiB")
        server.start()
        with server.connect() as connection:
            chance = os.urandom(30_000)
            for first in range(0, 2000, 100):
                connection.pipeline([("SET", f"k{i}", i.to_bytes(4, "big") + chance)
                                     for i in range(first, first + 100)])
        self.assertEqual(server.stop(), 0)
        server.args += ["--warm-rate", "1MiB"]
        server.start()
        with server.connect() as connection:
            self.assertEqual(connection.call("GET", "k1999"), (1999).to_bytes(4, "big") + chance)
        self.assertEqual(server.info("start")["warming"], 1)
        with http_client.Http(server) as client:
            ready = client.get("/readyz")
        self.assertEqual(ready.status, 200)
        self.assertRegex(ready.json()["warming"], r"^\d+ %")
        self.assertEqual(server.stop(), 0)  # without waiting for it


if __name__ == "__main__":
    harness.main()
