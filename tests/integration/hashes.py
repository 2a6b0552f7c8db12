"""Hashes and transactions where it needs a real server: size, restarts, other clients."""

import threading

import harness


class Hashes(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.running = self.server().start()
        self.client = self.running.client()
        self.addCleanup(self.client.close)

    def restart(self):
        self.running.kill()
        self.running.start()
        self.client = self.running.client()
        self.addCleanup(self.client.close)

    def fill(self, fields, name="cache"):
        values = {b"field %d" % i: b"value %d " % i * (i % 50) for i in range(fields)}
        for start in range(0, fields, 1000):
            part = dict(list(values.items())[start:start + 1000])
            self.assertEqual(self.client.hset(name, mapping=part), len(part))
        return values

    def test_a_large_hash_is_read_whole_also_after_a_kill(self):
        values = self.fill(5000)
        self.client.hset("other", "f", "v")
        for _ in range(2):
            self.assertEqual(self.client.hlen("cache"), len(values))
            self.assertEqual(self.client.hgetall("cache"), values)
            self.assertEqual(dict(self.client.hscan_iter("cache", count=700)), values)
            self.assertEqual(sorted(self.client.hkeys("cache")), sorted(values))
            self.assertEqual(self.client.dbsize(), 2)
            self.assertEqual(sorted(self.client.keys()), [b"cache", b"other"])
            self.restart()

    def test_what_is_deleted_stays_so(self):
        self.fill(700)
        self.assertEqual(self.client.delete("cache"), 1)
        self.client.hset("flushed", "f", "v")
        self.client.flushdb()
        self.client.hset("kept", "f", "v")
        self.restart()
        self.assertEqual(self.client.hlen("cache"), 0)
        self.assertEqual(self.client.exists("cache", "flushed", "kept"), 1)
        self.assertEqual(self.client.keys(), [b"kept"])

    def test_a_hash_expires_as_a_whole(self):
        self.client.hset("h", mapping={"a": 1, "b": 2})
        self.client.pexpire("h", 300)
        self.client.hset("h", "c", 3)
        self.eventually(lambda: not self.client.exists("h"), "the hash has expired")
        self.assertEqual(self.client.hgetall("h"), {})

    def test_an_erase_with_a_receipt(self):
        self.fill(300)
        receipt = self.client.execute_command("KACHEL.ERASE", "KEY", "cache", "REASON", "case 1")
        self.assertEqual(self.client.exists("cache"), 0)
        text = self.client.execute_command("KACHEL.RECEIPT", receipt)
        self.assertIn(b'"entries":300', text)
        self.restart()
        self.assertEqual(self.client.hgetall("cache"), {})

    def test_no_update_is_lost_however_many_add(self):
        """By WATCH, GET, MULTI, SET, EXEC of a string, and of a field, at once."""
        def add(read, write):
            with self.running.client() as client:
                for _ in range(25):
                    client.transaction(lambda p: self.next_value(p, read, write), "n", "h")

        threads = [threading.Thread(target=add, args=call) for call in 4 * [
            (lambda p: p.get("n"), lambda p, value: p.set("n", value)),
            (lambda p: p.hget("h", "n"), lambda p, value: p.hset("h", "n", value))]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(harness.DEADLINE_S)
        self.assertEqual((self.client.get("n"), self.client.hget("h", "n")), (b"100", b"100"))

    @staticmethod
    def next_value(pipeline, read, write):
        value = int(read(pipeline) or 0)
        pipeline.multi()
        write(pipeline, value + 1)


if __name__ == "__main__":
    harness.main()
