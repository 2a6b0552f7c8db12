"""Leases on a real server: one of many clients computes, the others wait; a fill that began before
an erase is refused."""

import threading

import harness
from resp import Error

LONGEST_MS = 600_000


class Leases(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.running = self.server("--threads", "2").start()

    def connect(self):
        connection = self.running.connect()
        self.addCleanup(connection.close)
        return connection

    def lease(self, key, ms=LONGEST_MS):
        with self.running.connect() as connection:
            return connection.call("KACHEL.LEASE", key, ms)

    def token(self, key, ms=LONGEST_MS):
        what, token = self.lease(key, ms)
        self.assertEqual(what, b"token")
        return token

    def fill(self, key, token, *words, value="filled"):
        with self.running.connect() as connection:
            return connection.call("KACHEL.SET", key, value, *words, "LEASE", token)

    def waiting(self, key, ms=LONGEST_MS):
        """A client whose KACHEL.LEASE waits."""
        before = self.running.counter("lease_waits")
        connection = self.connect()
        connection.send("KACHEL.LEASE", key, ms)
        self.eventually(lambda: self.running.counter("lease_waits") > before, "it waits")
        return connection

    def test_of_many_clients_one_computes_and_all_get_its_value(self):
        rounds, clients = 20, 24
        computed, seen = [], []
        start = threading.Barrier(clients)

        def client():
            with self.running.connect() as connection:
                for number in range(rounds):
                    start.wait(harness.DEADLINE_S)
                    key = f"prompt-{number}"
                    what, answer = connection.call("KACHEL.LEASE", key, LONGEST_MS)
                    if what == b"token":
                        computed.append(key)
                        token, answer = answer, f"completion of {key}".encode()
                        connection.call("KACHEL.SET", key, answer, "LEASE", token)
                    seen.append((key, answer))

        threads = [threading.Thread(target=client) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        keys = [f"prompt-{number}" for number in range(rounds)]
        self.assertEqual(sorted(computed), sorted(keys))
        self.assertEqual(sorted(seen), sorted(
            (key, f"completion of {key}".encode()) for key in keys for _ in range(clients)))
        info = self.running.info()
        self.assertEqual(info["leases_granted"], rounds)
        self.assertEqual((info["leases"], info["lease_waits"], info["lease_retries"]), (0, 0, 0))

    def test_a_client_that_waits_holds_up_nobody_else(self):
        token = self.token("k")
        waiting = [self.waiting("k") for _ in range(8)]
        self.assertEqual(self.running.info("clients")["blocked_clients"], 8)
        waiting[0].send("PING")
        with self.running.connect() as other:
            self.assertEqual(other.call("SET", "other", "v"), "OK")
            self.assertEqual(other.call("KACHEL.LEASE", "other", 1), [b"value", b"v"])
        self.assertEqual(self.fill("k", token), "OK")
        for connection in waiting:
            self.assertEqual(connection.read(), [b"value", b"filled"])
        self.assertEqual(waiting[0].read(), "PONG")

    def test_each_waits_up_to_its_own_limit(self):
        self.token("k")
        self.assertEqual(self.lease("k", 1), [b"retry", None])
        with self.running.connect() as connection:
            connection.call("HELLO", 3)
            self.assertEqual(connection.call("KACHEL.LEASE", "k", 1), [b"retry", None])
        self.assertEqual(self.running.counter("lease_retries"), 2)

    def test_a_lease_that_is_not_filled_in_time_goes_to_the_next(self):
        late = self.token("k", 50)
        what, token = self.lease("k")
        self.assertEqual(what, b"token")
        self.assertIsNone(self.fill("k", late))
        self.assertEqual(self.fill("k", token), "OK")
        self.assertEqual(self.running.counter("fills_refused_expired"), 1)

    def test_who_gives_up_says_del(self):
        self.token("k")
        waiting = self.waiting("k")
        self.running.client().delete("k")
        self.assertEqual(waiting.read()[0], b"token")

    def test_a_client_that_has_gone_does_not_keep_the_others_waiting(self):
        token = self.token("k")
        gone = self.waiting("k")
        waiting = self.waiting("k")
        gone.close()
        self.running.client().delete("k")
        self.assertEqual(waiting.read()[0], b"token")
        self.assertIsNone(self.fill("k", token))

    def test_a_fill_that_began_before_an_erase_is_refused_and_counted(self):
        with self.running.connect() as connection:
            tokens = {key: self.token(key) for key in ("subject", "model", "key", "other")}
            connection.call("KACHEL.ERASE", "SUBJECT", "anna")
            connection.call("KACHEL.ERASE", "MODEL", "tile-7b")
            connection.call("DEL", "key")
        self.assertIsNone(self.fill("subject", tokens["subject"], "SUBJECT", "anna"))
        self.assertIsNone(self.fill("model", tokens["model"], "MODEL", "tile-7b"))
        self.assertIsNone(self.fill("key", tokens["key"]))
        self.assertEqual(self.fill("other", tokens["other"], "SUBJECT", "ben"), "OK")
        after = self.token("subject")
        self.assertEqual(self.fill("subject", after, "SUBJECT", "anna"), "OK")
        flushed = self.token("flushed")
        self.running.client().flushall()
        self.assertIsNone(self.fill("flushed", flushed))
        self.assertEqual(self.running.counter("fills_refused_erased"), 4)

    def test_no_token_is_good_after_a_restart_or_twice(self):
        killed, stopped = self.token("a"), None
        self.running.kill()
        self.running.start()
        self.assertIsNone(self.fill("a", killed))
        stopped = self.token("b")
        self.assertEqual(self.running.stop(), 0)
        self.running.start()
        self.assertIsNone(self.fill("b", stopped))
        token = self.token("b")
        self.assertIsNone(self.fill("a", token))
        self.assertEqual(self.fill("b", token), "OK")
        self.assertIsNone(self.fill("b", token))
        self.assertEqual(self.running.counter("fills_refused_unknown"), 3)
        self.assertIsInstance(self.fill("b", "not a token"), Error)

    def test_a_stop_sends_those_away_who_wait(self):
        self.token("k")
        waiting = self.waiting("k")
        self.assertEqual(self.running.stop(), 0)
        self.assertEqual(waiting.read(), [b"retry", None])
        self.assertTrue(waiting.at_end())


if __name__ == "__main__":
    harness.main()
