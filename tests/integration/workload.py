"""Writers that know exactly what was acknowledged when the server dies under them.

Each writer has a connection and keys of its own, and remembers every operation it sent in
order, and how many replies came. After a restart the state found is checked against them:

- group, strict: each key has its last acknowledged value, or one sent later;
- relaxed: all keys of a connection together are in the state some prefix of its operations
  left. An acknowledged DEL was durable, and all before it.
"""

import random
import threading
import time

from resp import Closed, Error

WINDOW = 32  # operations in flight on a connection


def value_of(key, version):
    """Text that compresses and bytes that don't, of a length from 0 to 20,000 bytes. No two
    versions of a key are alike."""
    rng = random.Random(f"{key}/{version}")
    head = f"{key}/{version}:".encode()
    if rng.random() < 0.02:
        return head
    length = int(rng.paretovariate(1.2) * 200) % 20000
    text = b" ".join(rng.choice(WORDS) for _ in range(length // 12))
    return head + text + rng.randbytes(length // 2)


WORDS = [b"the", b"tile", b"keeps", b"heat", b"for", b"days", b"answer", b"token", b"model"]


class Writer(threading.Thread):
    """Writes until it has sent `operations`, or the connection breaks."""

    def __init__(self, server, name, seed, keys, on_acknowledged):
        super().__init__(daemon=True)
        self.server = server
        self.name = name
        self.keys = [f"{name}:{i}" for i in range(keys)]
        self.rng = random.Random(f"{seed}/{name}")
        self.on_acknowledged = on_acknowledged
        self.base = {}  # key -> version found at the last check, absent: none
        self.versions = 0  # ever used
        self.sent = []  # (key, version or None for a DEL)
        self.acknowledged = 0
        self.durable = 0  # operations through the last DEL that found something to delete
        self.failure = None

    def respawn(self, seed):
        """A writer that goes on where this one stands."""
        writer = Writer(self.server, self.name, seed, len(self.keys), self.on_acknowledged)
        writer.base, writer.versions = self.base, self.versions
        return writer

    def _next(self):
        key = self.rng.choice(self.keys)
        if self.rng.random() < 0.1:
            self.sent.append((key, None))
            return ("DEL", key)
        self.versions += 1
        self.sent.append((key, self.versions))
        value = value_of(key, self.versions)
        chance = self.rng.random()
        if chance < 0.2:
            return ("SET", key, value, "EX", self.rng.choice([7200, 86400, 864000]))
        if chance < 0.4:
            return ("KACHEL.SET", key, value, "KIND", "completion", "MODEL", "tile-7b")
        return ("SET", key, value)

    def run(self):
        try:
            with self.server.connect() as connection:
                while True:
                    for _ in range(WINDOW):
                        connection.send(*self._next())
                    for _ in range(WINDOW):
                        self._take(connection.read())
        except (Closed, OSError):
            pass  # the server was killed: what this is about
        except Exception as error:  # noqa: BLE001 - reported by the test's thread
            self.failure = error

    def _take(self, reply):
        _, version = self.sent[self.acknowledged]
        fits = reply == "OK" if version else isinstance(reply, int)
        if isinstance(reply, Error) or not fits:
            raise AssertionError(f"unexpected reply {reply!r}")
        self.acknowledged += 1
        if version is None and reply == 1:
            self.durable = self.acknowledged
        self.on_acknowledged()

    # --- after the restart

    def check(self, test, connection, prefix_only):
        """Compares what is there with what was sent, and takes it as the new base."""
        found = {}
        for start in range(0, len(self.keys), WINDOW):
            keys = self.keys[start:start + WINDOW]
            for key, value in zip(keys, connection.pipeline([("GET", key) for key in keys])):
                version = self._version(test, key, value)
                if version:
                    found[key] = version
        if prefix_only:
            self._check_prefix(test, found)
        else:
            self._check_each(test, found)
        self.base = found

    def _version(self, test, key, value):
        if value is None:
            return None
        test.assertIsInstance(value, bytes, key)
        head, _, _ = value.partition(b":")[2].partition(b":")  # NAME:INDEX/VERSION:
        version = int(head.split(b"/")[1])
        test.assertTrue(value == value_of(key, version), f"{key}: not a value that was set")
        return version

    def _check_each(self, test, found):
        history = self._histories()
        for key in self.keys:
            states = history[key]
            last = max(i for i, (count, _) in enumerate(states) if count <= self.acknowledged)
            allowed = {version for _, version in states[last:]}
            test.assertIn(found.get(key), allowed,
                          f"{key}: acknowledged {states[last]}, sent since {states[last + 1:]}")

    def _histories(self):
        history = {key: [(0, self.base.get(key))] for key in self.keys}
        for i, (key, version) in enumerate(self.sent):
            history[key].append((i + 1, version))
        return history

    def _check_prefix(self, test, found):
        fits = [0] * (len(self.sent) + 2)  # differences: how many keys fit prefix p
        for key, states in self._histories().items():
            ends = [count for count, _ in states[1:]] + [len(self.sent) + 1]
            for (start, version), end in zip(states, ends):
                if version == found.get(key):
                    fits[start] += 1
                    fits[end] -= 1
        running, prefixes = 0, []
        for p in range(len(self.sent) + 1):
            running += fits[p]
            if running == len(self.keys):
                prefixes.append(p)
        test.assertTrue(prefixes, f"{self.name}: a hole: no prefix of its writes is there")
        test.assertGreaterEqual(prefixes[-1], self.durable,
                                f"{self.name}: an acknowledged DEL was lost")


class Load:
    """Writers side by side, stopped by whatever ends the server."""

    def __init__(self, server, seed, connections=8, keys=200):
        self.server = server
        self.seed = seed
        self.count = 0
        self.target = None
        self.lock = threading.Lock()
        self.reached = threading.Event()
        self.writers = [Writer(server, f"w{i}", seed, keys, self._acknowledged)
                        for i in range(connections)]

    def _acknowledged(self):
        with self.lock:
            self.count += 1
            if self.target is not None and self.count >= self.target:
                self.reached.set()

    def run_until(self, acknowledged, stop, deadline_s):
        """Runs the writers, calls `stop` in the midst of their work once so many operations
        were acknowledged, and waits for them to notice."""
        self.count, self.target = 0, acknowledged
        self.reached.clear()
        for writer in self.writers:
            writer.start()
        end = time.monotonic() + deadline_s
        while any(writer.is_alive() for writer in self.writers) and time.monotonic() < end:
            if self.reached.wait(0.1):
                break
        reached = self.reached.is_set()
        try:
            return stop()
        finally:
            for writer in self.writers:
                writer.join(deadline_s)
                if writer.failure is not None:
                    raise writer.failure
            if not reached:
                raise AssertionError(f"only {self.count} acknowledged")

    def check(self, test, prefix_only=False):
        with self.server.connect() as connection:
            for writer in self.writers:
                writer.check(test, connection, prefix_only)

    def next_round(self, seed):
        self.writers = [writer.respawn(f"{self.seed}/{seed}") for writer in self.writers]
