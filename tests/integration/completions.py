"""Real completions, where KACHEL_DATA names a folder that has them: loaded by 8 connections
through a kill -9, read back byte for byte, most of them from flash at one device read each."""

import hashlib
import json
import os
import subprocess
import threading
import unittest

import harness
from resp import Closed, encode

CONNECTIONS = 8
WINDOW = 32
DATA = os.environ.get("KACHEL_DATA", "")
SUBSET = int(os.environ.get("KACHEL_SUBSET", "0"))  # 0: all of them


def read_completions():
    """[(key, completion, model)], keys all different."""
    path = os.path.join(DATA, "completions.jsonl.zst")
    lines = subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
    entries = {}
    for line in lines.splitlines():
        item = json.loads(line)
        identity = f"{item['model']}\n{item['prompt']}"
        key = "completion:" + hashlib.sha256(identity.encode()).hexdigest()
        entries[key] = (key, item["completion"].encode(), item["model"])
        if SUBSET and len(entries) == SUBSET:
            break
    return list(entries.values())


class Loader(threading.Thread):
    """Sets its share in order; `acknowledged` entries of it are known to be stored."""

    def __init__(self, server, share, progress):
        super().__init__(daemon=True)
        self.server = server
        self.share = share
        self.progress = progress
        self.acknowledged = 0
        self.failure = None

    def run(self):
        try:
            with self.server.connect() as connection:
                while self.acknowledged < len(self.share):
                    batch = self.share[self.acknowledged:self.acknowledged + WINDOW]
                    connection.send_raw(b"".join(self._request(*entry) for entry in batch))
                    for _ in batch:
                        reply = connection.read()
                        if reply != "OK":
                            raise AssertionError(f"SET answered {reply!r}")
                        self.acknowledged += 1
                        self.progress()
        except (Closed, OSError):
            pass  # killed
        except Exception as error:  # noqa: BLE001 - reported by the test's thread
            self.failure = error

    @staticmethod
    def _request(key, value, model):
        if model < "m":  # both ways in, about half each
            return encode("SET", key, value)
        return encode("KACHEL.SET", key, value, "KIND", "completion", "MODEL", model)


@unittest.skipUnless(DATA, "KACHEL_DATA is not set")
class Completions(harness.TestCase):
    def test_all_survive_kill_9_and_come_from_flash_at_one_read_each(self):
        entries = read_completions()
        shares = [entries[i::CONNECTIONS] for i in range(CONNECTIONS)]
        server = self.server("--warm-rate", "0", memory="64MiB")

        server.start()
        done = self.load(server, shares, kill_after=len(entries) // 2)
        self.assertGreaterEqual(sum(done), len(entries) // 2)
        server.start()
        self.verify(server, [share[:count] for share, count in zip(shares, done)])
        self.load(server, [share[count:] for share, count in zip(shares, done)])
        self.assertEqual(server.stop(), 0)

        server.start()
        self.verify(server, shares)  # the hot tier cannot hold them all
        with server.connect() as connection:
            self.assertEqual(connection.call("DBSIZE"), len(entries))
        info = server.info()
        self.report(info, entries)
        self.assertEqual(info["misses"], 0)
        self.assertEqual(info["damaged_reads"], 0)
        self.assertGreater(info["flash_hits"], len(entries) // 2)
        self.assertLessEqual(info["device_reads"], info["flash_hits"] * 1.02)

    def load(self, server, shares, kill_after=None):
        """Acknowledged entries of each share."""
        count, lock, reached = 0, threading.Lock(), threading.Event()

        def progress():
            nonlocal count
            with lock:
                count += 1
                if kill_after is not None and count >= kill_after:
                    reached.set()

        loaders = [Loader(server, share, progress) for share in shares]
        for loader in loaders:
            loader.start()
        if kill_after is not None:
            self.assertTrue(reached.wait(harness.DEADLINE_S), "loading stands still")
            server.kill()
        for loader in loaders:
            loader.join(harness.DEADLINE_S)
            if loader.failure is not None:
                raise loader.failure
            if kill_after is None:
                self.assertEqual(loader.acknowledged, len(loader.share))
        return [loader.acknowledged for loader in loaders]

    def verify(self, server, shares):
        with server.connect() as connection:
            for share in shares:
                for start in range(0, len(share), WINDOW):
                    batch = share[start:start + WINDOW]
                    values = connection.pipeline([("GET", key) for key, _, _ in batch])
                    for (key, expected, _), value in zip(batch, values):
                        self.assertTrue(value == expected, f"{key}: {value and value[:80]!r}")

    def report(self, info, entries):
        raw = sum(len(value) for _, value, _ in entries)
        print(f"{len(entries)} completions, {raw} bytes raw, "
              f"{info['segment_bytes_on_disk']} bytes of segments, "
              f"{info['index_bytes_on_disk']} of index, "
              f"{info['hot_hits']} hot hits, {info['flash_hits']} flash hits, "
              f"{info['device_reads']} device reads", flush=True)


if __name__ == "__main__":
    harness.main()
