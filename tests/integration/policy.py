"""Metadata over restarts, and the tenant's policy: from the file, through every command, SIGHUP."""

import os
import signal
import subprocess
import time

import harness
import http_client
from resp import Error, encode

DAY_MS = 86_400_000


class PolicyTest(harness.TestCase):
    def configured(self, text, *args):
        """A server on `text` as its configuration file, not started yet."""
        self.config = self.path("kachel.toml")
        self.write(text)
        return self.server("--config", self.config, *args)

    def write(self, text):
        """As a whole: a reload that was asked for before may be reading it."""
        with open(self.config + ".new", "w") as file:
            file.write(text)
        os.replace(self.config + ".new", self.config)

    def within(self, value, most, least=None):
        """What is left of a time that was `most` a moment ago."""
        self.assertLessEqual(value, most)
        self.assertGreater(value, most - 1000 * harness.DEADLINE_S if least is None else least)


class Metadata(PolicyTest):
    def meta(self, server, key):
        with server.connect() as connection:
            connection.call("HELLO", 3)
            return connection.call("KACHEL.META", key)

    def test_metadata_survive_a_kill_and_a_stop(self):
        server = self.server("--warm-rate", "0").start()
        now = int(time.time() * 1000)
        erase_by = now + 5 * DAY_MS
        with server.connect() as connection:
            self.assertEqual(connection.call(
                "KACHEL.SET", "k", "value", "PXAT", now + DAY_MS, "KIND", "embedding", "MODEL",
                "tile-7b", "SUBJECT", "anna", "SUBJECT", "ben", "ERASEBY", erase_by, "TOKENS", 12,
                34, "COST", 56), "OK")
            flat = connection.call("KACHEL.META", "k")
            self.assertEqual(connection.call("SET", "plain", "v"), "OK")
        before = self.meta(server, "k")
        self.assertEqual([name.decode() for name in flat[0::2]], list(before))  # RESP2: flat
        for end in (server.kill, server.stop):
            end()
            server.start()
            after = self.meta(server, "k")
            self.assertEqual(after.pop("tier"), b"flash")
            for name, value in after.items():
                self.assertEqual(value, before[name], name)
        self.assertEqual(after["kind"], b"embedding")
        self.assertEqual(after["model"], b"tile-7b")
        self.assertEqual(after["subjects"], [b"anna", b"ben"])
        self.assertEqual(after["expires_at_ms"], now + DAY_MS)
        self.assertEqual(after["erase_by_ms"], erase_by)
        self.assertEqual((after["tokens_in"], after["tokens_out"], after["cost_micro_usd"]),
                         (12, 34, 56))
        self.assertEqual(after["raw_bytes"], 5)
        self.assertGreater(after["stored_bytes"], 5)
        self.assertGreater(after["version"], 0)
        self.within(after["created_ms"], int(time.time() * 1000))
        plain = self.meta(server, "plain")
        self.assertEqual((plain["kind"], plain["model"], plain["subjects"], plain["erase_by_ms"]),
                         (b"blob", b"", [], 0))

    def test_what_is_wrong_is_said_and_changes_nothing(self):
        server = self.server().start()
        with server.connect() as connection:
            connection.call("KACHEL.SET", "k", "old", "SUBJECT", "anna")
            for words in (("LEASE", "token"), ("SUBJECT", ""), ("SUBJECT", "s" * 257),
                          ("MODEL", "m" * 257), ("ERASEBY", "1"), ("TOKENS", "1"),
                          ("COST", "-1"), ("NX", "XX"), ("KIND", "poem")):
                reply = connection.call("KACHEL.SET", "k", "new", *words)
                self.assertIsInstance(reply, Error, words)
                self.assertTrue(str(reply).startswith("ERR "), reply)
            self.assertEqual(connection.call("GET", "k"), b"old")


class Bounds(PolicyTest):
    def test_without_a_tenant_in_the_file_nothing_is_bounded(self):
        c = self.configured("threads = 2\n").start().client()
        c.set("k", "v")
        self.assertEqual(c.pttl("k"), -1)
        c.set("k", "v", px=400 * DAY_MS)
        self.assertGreater(c.pttl("k"), 399 * DAY_MS)
        self.assertTrue(c.persist("k"))
        self.assertEqual(c.pttl("k"), -1)

    def test_ttls_are_given_and_clamped(self):
        server = self.configured(
            '[tenant.default]\nttl_default = "1h"\nttl_max = "24h"\n').start()
        c = server.client()
        hour = 3_600_000
        for write in (lambda: c.set("k", "v"), lambda: c.mset({"k": "v"}),
                      lambda: c.execute_command("KACHEL.SET", "k", "v"),
                      lambda: c.set("k", "v", get=True)):
            write()
            self.within(c.pttl("k"), hour)
        writes = (lambda: c.set("k", "v", ex=90_000), lambda: c.setex("k", 90_000, "v"),
                  lambda: c.psetex("k", 90_000_000, "v"), lambda: c.expire("k", 90_000),
                  lambda: c.pexpire("k", 90_000_000), lambda: c.getex("k", ex=90_000),
                  lambda: c.getex("k", persist=True), lambda: c.persist("k"),
                  lambda: c.set("k", "v", exat=int(time.time()) + 90_000),
                  lambda: c.execute_command("KACHEL.SET", "k", "v", "EX", 90_000))
        for number, write in enumerate(writes):
            c.set("k", "v", px=hour)
            self.assertTrue(write(), number)
            self.within(c.pttl("k"), DAY_MS, hour)
        self.assertEqual(server.counter("ttl_clamped"), len(writes))
        c.set("k", "v", px=500_000)
        c.set("k", "w", keepttl=True)
        self.within(c.pttl("k"), 500_000)
        server.kill()
        server.start()
        self.within(server.client().pttl("k"), 500_000)

    def test_a_kept_ttl_is_clamped_once_there_is_a_bound(self):
        server = self.configured("").start()
        server.client().set("k", "v")
        self.assertEqual(server.stop(), 0)
        self.write('[tenant.default]\nttl_max = "24h"\n')
        c = server.start().client()
        self.assertEqual(c.pttl("k"), -1)  # what was stored keeps its times
        c.set("k", "w", keepttl=True)
        self.within(c.pttl("k"), DAY_MS)
        self.assertEqual(c.get("k"), b"w")

    def test_erase_by_is_bounded(self):
        server = self.configured('[tenant.default]\nerase_by_max = "24h"\n').start()
        now = int(time.time() * 1000)
        with server.connect() as connection:
            connection.call("HELLO", 3)
            connection.call("SET", "plain", "v")
            connection.call("KACHEL.SET", "late", "v", "ERASEBY", now + 9 * DAY_MS)
            connection.call("KACHEL.SET", "soon", "v", "ERASEBY", now + DAY_MS // 2)
            for key in ("plain", "late"):
                meta = connection.call("KACHEL.META", key)
                self.within(meta["created_ms"] + DAY_MS - meta["erase_by_ms"], 1000, -1000)
            self.assertEqual(connection.call("KACHEL.META", "soon")["erase_by_ms"],
                             now + DAY_MS // 2)
        self.assertEqual(server.counter("erase_by_clamped"), 1)


class Subjects(PolicyTest):
    def test_without_a_subject_nothing_is_stored_and_no_client_breaks(self):
        server = self.configured("").start()
        server.client().set("k", "old")
        self.assertEqual(server.stop(), 0)
        self.write("[tenant.default]\nrequire_subject = true\n")
        c = server.start().client()
        self.assertEqual(c.get("k"), b"old")
        self.assertTrue(c.set("k", "v"))
        self.assertIsNone(c.get("k"))
        self.assertTrue(c.mset({"a": "1", "b": "2"}))
        self.assertTrue(c.setnx("a", "1"))
        self.assertEqual(c.mget("a", "b"), [None, None])
        with server.connect() as connection:
            reply = connection.call("KACHEL.SET", "k", "v")
            self.assertIn("SUBJECT is required", str(reply))
            self.assertEqual(connection.call("KACHEL.SET", "k", "v", "SUBJECT", "anna"), "OK")
        self.assertEqual(c.get("k"), b"v")
        info = server.info()
        self.assertEqual(info["sets_without_subject"], 4)
        self.assertEqual(info["sets_not_stored"], 4)
        self.assertEqual(info["kachel_sets_refused"], 1)
        server.kill()
        c = server.start().client()
        self.assertEqual(c.mget("k", "a", "b"), [b"v", None, None])


class Quotas(PolicyTest):
    RATE = 300

    def setUp(self):
        super().setUp()
        self.users = self.path("users")
        for name in ("alice", "bob"):
            subprocess.run([harness.binary("kachel"), "user", "add", name, "--users", self.users,
                            "--password-stdin"], input="a password\n", text=True, check=True,
                           capture_output=True, timeout=harness.DEADLINE_S)
        self.running = self.configured(
            f"[tenant.alice]\nrequests_per_second = {self.RATE}\n", "--users", self.users,
            *http_client.ON).start()

    def log_in(self, name):
        connection = self.running.connect()
        self.addCleanup(connection.close)
        self.assertEqual(connection.call("AUTH", name, "a password"), "OK")
        return connection

    def delayed(self):
        return sum(number for name, _, number in
                   http_client.samples(http_client.metrics(self.running))
                   if name == "kachel_requests_delayed_total")

    def test_a_tenant_waits_for_its_turn_and_nobody_else_does(self):
        connections = [self.log_in("alice") for _ in range(4)]
        bob = self.log_in("bob")
        requests = 4 * self.RATE
        started = time.monotonic()
        for connection in connections:
            connection.send_raw(encode("SET", "k", "v") * (requests // 4))
        self.eventually(lambda: self.delayed() >= 4, "somebody waits")
        for _ in range(20 * self.RATE):
            self.assertEqual(bob.call("PING"), "PONG")
        for connection in connections:
            for _ in range(requests // 4):
                self.assertEqual(connection.read(), "OK")
        # A second's worth comes at once; the others one by one, however fast the machine.
        self.assertGreaterEqual(time.monotonic() - started, requests / self.RATE - 1.01)
        self.write("[tenant.alice]\nttl_max = \"1h\"\n")
        self.running.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: f"requests_per_second {self.RATE} -> none"
                        in self.running.log_text(), "SIGHUP")
        before = self.delayed()
        connections[0].send_raw(encode("PING") * requests)
        for _ in range(requests):
            self.assertEqual(connections[0].read(), "PONG")
        self.assertEqual(self.delayed(), before)

    def test_http_is_told_to_come_again(self):
        token = subprocess.run([harness.binary("kachel"), "user", "token", "alice", "--users",
                                self.users], capture_output=True, text=True, check=True,
                               timeout=harness.DEADLINE_S).stdout.strip()
        self.running.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "user alice: changed" in self.running.log_text(), "SIGHUP")
        alice = self.log_in("alice")
        alice.send_raw(encode("PING") * (10 * self.RATE))  # takes what there is for seconds
        with http_client.Http(self.running) as http:
            def refused():
                answer = http.get(http_client.entry("k", "alice"),
                                  Authorization="Bearer " + token)
                if answer.status == 429:
                    self.assertEqual(answer.headers["Retry-After"], "1")
                    self.assertIn("too-many-requests", answer.json()["type"])
                return answer.status == 429
            self.eventually(refused, "429")
            self.assertEqual(http.get("/healthz").status, 200)


class Reload(PolicyTest):
    FIRST = '[tenant.default]\nttl_max = "24h"\n'

    def hang_up(self, server, counter):
        before = server.counter(counter)
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: server.counter(counter) == before + 1, counter)

    def logged(self, server, text):
        self.eventually(lambda: text in server.log_text(), f"'{text}' in the log")

    def test_a_good_file_holds_from_the_next_command_on(self):
        server = self.configured(self.FIRST).start()
        c = server.client()
        c.set("before", "v")
        self.within(c.pttl("before"), DAY_MS)
        self.write('[tenant.default]\nttl_max = "12h"\nttl_default = "1h"\n[tenant.other]\n')
        self.hang_up(server, "policy_reloads")
        c.set("after", "v")
        self.within(c.pttl("after"), 3_600_000)
        c.set("after", "v", ex=90_000)
        self.within(c.pttl("after"), DAY_MS // 2)
        self.assertGreater(c.pttl("before"), DAY_MS // 2)
        self.logged(server, "tenant default: ttl_max 24h -> 12h")
        self.logged(server, "tenant default: ttl_default none -> 1h")
        self.logged(server, "tenant other: added")
        self.assertEqual(server.stop(), 0)

    def test_a_bad_file_changes_nothing(self):
        server = self.configured(self.FIRST).start()
        c = server.client()
        for text, why in (
                ('[tenant.default]\nttl_max = "1h"\nttl_default = "2h"\n',
                 ":3: [tenant.default] ttl_default: 2h is longer than ttl_max, 1h"),
                ('[tenant.default]\nttl_mx = "1h"\n', ":2: unknown key \"ttl_mx\""),
                ('durability = "some"\n[tenant.default]\nttl_max = "1h"\n', ":1: durability: "),
                ('[tenant.default]\nttl_max = "1h\n', ":2: ")):
            self.write(text)
            self.hang_up(server, "policy_reloads_refused")
            self.logged(server, "the policies in force stay: " + self.config + why)
            c.set("k", "v")
            self.within(c.pttl("k"), DAY_MS, 3_600_000)
        self.assertEqual(server.counter("policy_reloads"), 0)
        self.assertEqual(server.stop(), 0)

    def test_settings_of_the_server_wait_for_the_next_start(self):
        server = self.configured("max-clients = 100\nmemory = \"64MiB\"\n").start()
        self.write('max-clients = 200\nmemory = "96MiB"\n' + self.FIRST)
        self.hang_up(server, "policy_reloads")
        self.logged(server, "max-clients 100 -> 200: takes effect at the next start")
        self.logged(server, "memory 64MiB -> 96MiB: has no effect, the flag --memory wins")
        self.assertEqual(server.counter("maxclients"), 100)
        self.assertEqual(server.stop(), 0)
        server.start()
        self.assertEqual(server.counter("maxclients"), 200)

    def test_without_a_file_a_hang_up_does_no_harm(self):
        server = self.server().start()
        self.hang_up(server, "policy_reloads_refused")
        self.logged(server, "start with --config FILE")
        self.assertTrue(server.client().ping())
        self.assertEqual(server.stop(), 0)

    def test_clients_go_on_while_policies_change(self):
        server = self.configured(self.FIRST).start()
        with server.connect() as connection:
            for turn in range(20):
                hours = 24 if turn % 2 else 12
                self.write(f'[tenant.default]\nttl_max = "{hours}h"\n')
                server.process.send_signal(signal.SIGHUP)
                left = connection.pipeline(
                    [words for _ in range(200) for words in (("SET", "k", "v"), ("PTTL", "k"))])
                for ttl in left[1::2]:
                    self.assertGreater(ttl, 0)
                    self.assertLessEqual(ttl, DAY_MS)
        self.assertEqual(server.stop(), 0)


class Start(PolicyTest):
    def test_a_wrong_policy_is_a_usage_error(self):
        server = self.configured('data = "d"\n\n[tenant.acme]\nttl_max = "0s"\n')
        code, output = self.run_kacheld(*server.command()[1:])
        self.assertEqual(code, 2, output)
        self.assertIn(self.config + ":4: [tenant.acme] ttl_max: must be above 0", output)

    def test_the_policies_are_logged(self):
        server = self.configured('[tenant.default]\nttl_max = "24h"\n[tenant.acme]\n').start()
        log = server.log_text()
        self.assertIn("tenant default: ttl_max 24h, erase_within 24h, require_subject false", log)
        self.assertIn("tenant acme: no user is it; add one", log)
        info = server.info("policy")
        self.assertIn("24h", str(info["tenant_default"]))

    def test_help_tells_of_policies(self):
        code, output = self.run_kacheld("--help")
        self.assertEqual(code, 0)
        self.assertIn("polic", output)


if __name__ == "__main__":
    harness.main()
