"""A loader process: writes and reads over pipelined connections until the server is gone, and
records what it sends and what is answered before it goes on (journal.py).

A connection has a database and keys of its own, so it knows what each read has to answer, and
says so when it does not. One more connection writes to keys that all loaders share.
"""

import collections
import itertools
import os
import random
import time
import traceback

import history
import journal
import values
from harness import DEADLINE_S, die_with_parent
from resp import Closed, Connection, Error, encode

OWN_KEYS = 240
SHARED_KEYS = 40
SHARED_DATABASE = 15
FIRST_SHARED = 100  # the numbers of connections to it; others are numbered as their database
COUNTS = ("commands", "writes", "erases", "flushes", "reads", "read_bytes", "violations")
BATCH_BYTES = 400_000  # sent, and again expected, before replies are read
BATCH_SIZES = (1, 8, 64, 256)  # commands
LONG_TTLS_S = (3600, 6 * 3600, 86400, 10 * 86400)  # few: an open segment for each
SHORT_TTLS_MS = (40, 300, 1500)
SHORT_MS = 60_000  # what expires sooner may do so while it is looked at


def now_ms():
    return int(time.time() * 1000)


class Batch:
    def __init__(self):
        self.requests = []
        self.expected = collections.deque()  # (command, function of the reply)
        self.bytes = 0

    def add(self, command, words, take, reply_bytes=0):
        request = encode(*words)
        self.requests.append(request)
        self.expected.append((command, take))
        self.bytes += max(len(request), reply_bytes)

    def full(self, commands):
        return len(self.expected) >= commands or self.bytes >= BATCH_BYTES


class Loading:
    """What both kinds of connection have in common, for one round."""

    def __init__(self, writer, database, path, counts, rng, budget_bytes):
        self.writer = writer
        self.database = database
        self.record = journal.Writer(path)
        self.counts = counts
        self.rng = rng
        self.budget_bytes = budget_bytes
        self.commands = 0
        self.connection = None
        self.batch = Batch()

    def connect(self, port):
        self.connection = Connection(port, DEADLINE_S)
        if self.connection.call("SELECT", self.database) != "OK":
            raise AssertionError("SELECT was refused")

    def send(self):
        self.batch = Batch()
        size = self.rng.choice(BATCH_SIZES)
        while not self.batch.full(size):
            self.commands += 1
            self.add_one()
        self.record.write()
        self.budget_bytes -= self.batch.bytes
        self.connection.send_raw(b"".join(self.batch.requests))

    def read(self):
        while self.connection is not None and self.batch.expected:
            reply = self.connection.read()
            command, take = self.batch.expected.popleft()
            self.counts["commands"] += 1
            if isinstance(reply, Error):
                self.violation(f"the server answered {reply}")
                self.record.add("N", command, time.monotonic())
                self.batch.expected.clear()
                raise Closed()
            take(command, reply)

    def violation(self, text):
        self.counts["violations"] += 1
        self.record.add("V", text.replace("\n", " "))

    def answered(self, command, durable=False):
        self.record.add("A", command, time.monotonic(), int(durable))

    def answered_ok(self, command, reply):
        if reply != "OK":
            self.violation(f"unexpected reply {reply!r}")
        self.answered(command)
        self.counts["writes"] += 1

    def value(self, key, version):
        return values.make(self.writer, key, version, small=self.budget_bytes < 0)

    def close(self):
        self.record.close()
        if self.connection is not None:
            self.connection.close()


class Own(Loading):
    def __init__(self, *arguments, model, versions, evicting):
        super().__init__(*arguments)
        self.model = model  # of each key the states it may be in
        self.versions = versions  # iterator
        self.evicting = evicting
        # An erase waits for the device, and all that was sent with it: most rounds have few.
        self.erases = self.rng.choice((1, 0.02, 0.002))

    def add_one(self):
        chance = self.rng.random()
        key = self.rng.randrange(OWN_KEYS)
        if 0.74 <= chance < 0.89 and self.rng.random() > self.erases:
            return self.set(key)
        if chance < 0.44:
            self.set(key)
        elif chance < 0.50:
            self.multi_set()
        elif chance < 0.74:
            self.get(key)
        elif chance < 0.84:
            self.delete(key)
        elif chance < 0.89:
            self.get_and_delete(key)
        elif chance < 0.9997:
            self.change_expiry(key)
        else:
            self.flush()

    def known(self, key):
        """The state of a key of which one is sure, and will be in a minute."""
        states = self.model[key]
        if len(states) != 1 or not states[0].version:
            return None
        soon = states[0].high_ms and states[0].high_ms < now_ms() + SHORT_MS
        return None if soon else states[0]

    def effect(self, kind, key, version=0, low_ms=0, high_ms=0):
        self.record.add("E", self.commands, kind, key, version, low_ms, high_ms)
        effect = history.Effect(kind, key, version, low_ms, high_ms)
        for each in range(OWN_KEYS) if kind == "F" else (key,):
            self.model[each] = effect.after(self.model[each])

    # --- writes

    def set(self, key):
        version = next(self.versions)
        value = self.value(key, version)
        chance = self.rng.random()
        words, low, high = [], 0, 0
        if chance < 0.25:
            low = high = now_ms() + int(self.rng.choice(LONG_TTLS_S) * 1000
                                        * self.rng.uniform(1, 1.02))
            words = ["PXAT", low]
        elif chance < 0.35:
            seconds = self.rng.choice(LONG_TTLS_S)
            low = now_ms() + seconds * 1000
            high = low + DEADLINE_S * 1000
            words = ["EX", seconds]
        elif chance < 0.42:
            low = high = now_ms() + self.rng.choice(SHORT_TTLS_MS)
            words = ["PXAT", low]
        elif chance < 0.47 and not self.evicting:
            return self.set_keeping_expiry(key)
        self.effect("S", key, version, low, high)
        if values.has_metadata(self.writer, key, version):
            words += values.metadata_words(version, len(value))
            self.batch.add(self.commands, ["KACHEL.SET", key, value, *words], self.answered_ok)
        else:
            self.batch.add(self.commands, ["SET", key, value, *words], self.answered_ok)

    def plain_version(self, key):
        version = next(self.versions)
        while values.has_metadata(self.writer, key, version):
            version = next(self.versions)
        return version

    def set_keeping_expiry(self, key):
        if self.known(key) is None and self.model[key] != (history.ABSENT,):
            return self.get(key)
        version = self.plain_version(key)
        self.effect("K", key, version)
        self.batch.add(self.commands, ["SET", key, self.value(key, version), "KEEPTTL"],
                       self.answered_ok)

    def multi_set(self):
        words = ["MSET"]
        for key in self.rng.sample(range(OWN_KEYS), self.rng.randrange(2, 7)):
            version = self.plain_version(key)
            words += [key, self.value(key, version)]
            self.effect("S", key, version)
        self.batch.add(self.commands, words, self.answered_ok)

    def change_expiry(self, key):
        state = self.known(key)
        if state is None:
            return self.get(key)
        chance = self.rng.random()
        low = high = now_ms() + self.rng.choice(LONG_TTLS_S) * 1000
        if chance < 0.2 and state.low_ms:
            words, low, high = ["PERSIST", key], 0, 0
        elif chance < 0.5:
            words = ["EXPIRE", key, (low - now_ms()) // 1000]
            low -= 1000
            high += DEADLINE_S * 1000
        elif chance < 0.55:
            low = high = now_ms() + self.rng.choice(SHORT_TTLS_MS)
            words = ["PEXPIREAT", key, low]
        else:
            words = ["PEXPIREAT", key, low]
        self.effect("X", key, 0, low, high)

        def take(command, reply):
            if reply == 1:
                self.counts["writes"] += 1
                return self.answered(command)
            if not self.evicting:
                self.violation(f"{words[:3]} answered {reply!r} though key {key} has {state}")
            self.record.add("N", command, time.monotonic())
        self.batch.add(self.commands, words, take)

    # --- erases

    def delete(self, key):
        before = self.model[key]
        must = self.known(key) is not None and not self.evicting
        self.effect("D", key)

        def take(command, reply):
            if must and reply != 1:
                self.violation(f"DEL answered {reply!r} though key {key} had {before[0]}")
            if reply == 1 and all(not state.version for state in before):
                self.violation(f"DEL answered 1 though key {key} was absent")
            self.answered(command, durable=reply == 1)
            self.counts["erases"] += reply
        self.batch.add(self.commands, ["DEL", key], take)

    def get_and_delete(self, key):
        before = self.model[key]
        asked = now_ms()
        self.effect("D", key)

        def take(command, reply):
            self.verify(key, before, asked, reply)
            self.answered(command, durable=reply is not None)
            self.counts["erases"] += reply is not None
        self.batch.add(self.commands, ["GETDEL", key], take, self.reply_bytes(before))

    def flush(self):
        self.effect("F", 0)

        def take(command, reply):
            if reply != "OK":
                self.violation(f"FLUSHDB answered {reply!r}")
            self.answered(command, durable=True)
            self.counts["flushes"] += 1
        self.batch.add(self.commands, ["FLUSHDB"], take)

    # --- reads

    def get(self, key):
        states = self.model[key]
        asked = now_ms()

        def take(_, reply):
            self.verify(key, states, asked, reply)
        self.batch.add(self.commands, ["GET", key], take, self.reply_bytes(states))

    def reply_bytes(self, states):
        return max(values.body_size(self.writer, 0, state.version) for state in states) + 100

    def verify(self, key, states, asked, reply):
        self.counts["reads"] += 1
        if reply is None:
            gone = self.evicting or any(history.may_be_gone(s, now_ms()) for s in states)
            if not gone:
                self.violation(f"GET of key {key} found nothing: it has {states[0]}")
            return
        self.counts["read_bytes"] += len(reply)
        try:
            found = history.Found(reply, -2, asked, now_ms(), values.read(reply, key))
        except values.Wrong as wrong:
            return self.violation(f"GET of key {key}: {wrong}")
        for state in states:
            passed = state.high_ms and state.high_ms + history.CLOCK_SLACK_MS < asked
            if (state.version and not passed
                    and history.is_value_of(self.writer, key, state.version, found)):
                return
        self.violation(f"GET of key {key} found {found}: it has {' or '.join(map(str, states))}")


class Shared(Loading):
    def __init__(self, *arguments, versions):
        super().__init__(*arguments)
        self.versions = versions

    def add_one(self):
        chance = self.rng.random()
        key = self.rng.randrange(SHARED_KEYS)
        if chance < 0.7:
            version = next(self.versions)
            self.record.add("S", self.commands, key, version, time.monotonic())
            self.batch.add(self.commands, ["SET", key, self.value(key, version)], self.answered_ok)
        elif chance < 0.73:
            self.record.add("S", self.commands, key, 0, time.monotonic())
            self.batch.add(self.commands, ["DEL", key], self.take_deleted)
        else:
            self.batch.add(self.commands, ["GET", key],
                           lambda _, reply: self.take_value(key, reply), 20_000)

    def take_deleted(self, command, reply):
        if reply == 1:
            self.counts["erases"] += 1
            return self.answered(command, durable=True)
        self.record.add("N", command, time.monotonic())

    def take_value(self, key, reply):
        self.counts["reads"] += 1
        if reply is None:
            return
        self.counts["read_bytes"] += len(reply)
        try:
            values.read(reply, key)
        except values.Wrong as wrong:
            self.violation(f"GET of shared key {key}: {wrong}")


def run_round(port, connections):
    """Until the server is gone: all send, then all read."""
    try:
        for connection in connections:
            connection.connect(port)
        while True:
            for connection in connections:
                connection.send()
            for connection in connections:
                connection.read()
                connection.record.write()
    except (Closed, ConnectionError):
        pass  # what this is about
    for connection in connections:
        try:  # answers that came before the end are answers
            connection.read()
        except (Closed, ConnectionError):
            pass


def make_connections(order, numbers, versions, counts, seed):
    for number in numbers:
        rng = random.Random(f"{seed}/{order['round']}/{number}")
        path = os.path.join(order["journal"], f"{number}.log")
        common = (path, counts, rng, order["budget_bytes"])
        if number >= FIRST_SHARED:
            yield Shared(number, SHARED_DATABASE, *common, versions=versions[number])
        else:
            yield Own(number, number, *common, model=order["model"][number],
                      versions=versions[number], evicting=order["evicting"])


def main(pipe, numbers, seed):
    """Process: takes rounds from `pipe` until it closes. `numbers`: of its connections."""
    die_with_parent()
    versions = {number: itertools.count(1) for number in numbers}
    while True:
        try:
            order = pipe.recv()
        except EOFError:
            return
        counts = dict.fromkeys(COUNTS, 0)
        connections = list(make_connections(order, numbers, versions, counts, seed))
        failure = None
        try:
            run_round(order["port"], connections)
        except Exception:  # noqa: BLE001 - a server that hangs, too, ends up here
            failure = traceback.format_exc()
        for connection in connections:
            connection.close()
        pipe.send((counts, failure))
