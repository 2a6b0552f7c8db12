"""The checker, a process of its own: after a restart it reads all keys, and compares them with
what the loaders' journals say was issued and acknowledged."""

import os
import time
import traceback

import history
import journal
import values
from harness import DEADLINE_S, die_with_parent
from loader import FIRST_SHARED, OWN_KEYS, SHARED_DATABASE, SHARED_KEYS, now_ms
from resp import Connection, Error

CHUNK = 48  # keys asked for at once
META_SHARE = 4  # of the entries with metadata every so many are asked for it
SHOWN = 10  # violations told in full
COUNTS = ("keys", "bytes", "metadata", "acknowledged_writes", "acknowledged_erases", "in_flight",
          "lost_in_window")


class Checker:
    def __init__(self, numbers):
        self.own = [number for number in numbers if number < FIRST_SHARED]
        self.shared = [number for number in numbers if number >= FIRST_SHARED]
        self.reset()

    def reset(self):
        """A new, empty store."""
        self.base = {number: [(history.ABSENT,)] * OWN_KEYS for number in self.own}
        self.shared_base = [(history.SharedEffect(),)] * SHARED_KEYS

    def check(self, order):
        self.order = order
        self.violations = []
        self.counts = dict.fromkeys(COUNTS, 0)
        self.lost_ms = 0.0
        with Connection(order["port"], DEADLINE_S) as self.connection:
            for number in self.own:
                self.check_own(number)
            self.check_shared()
        shown = self.violations[:SHOWN]
        if len(self.violations) > SHOWN:
            shown.append(f"and {len(self.violations) - SHOWN} more")
        return {"violations": shown, "counts": self.counts, "lost_ms": self.lost_ms,
                "model": self.base}

    # --- keys of one connection

    def check_own(self, number):
        past = history.History(number, self.base[number])
        path = os.path.join(self.order["journal"], f"{number}.log")
        if os.path.exists(path):
            self.violations += journal.read_own(path, past)
        self.count(past)
        found = self.read_keys(number, OWN_KEYS, with_expiry=True)
        if None in found:
            return  # a wrong value: told already
        evicting = self.order["evicting"]
        if self.order["prefix_only"]:
            needed = max(past.durable, self.old_enough(past))
            violations, now, reached = past.check_prefix(found, evicting, needed)
            self.note_lost(past, reached)
        else:
            violations, now = past.check_each(found, evicting)
        self.violations += violations
        if not violations:
            self.base[number] = now
            self.check_metadata(number, found)

    def count(self, past):
        for effect in past.effects[:past.acknowledged]:
            self.counts["acknowledged_erases" if effect.kind in "DF" else
                        "acknowledged_writes"] += 1
        self.counts["in_flight"] += len(past.effects) - past.acknowledged

    def old_enough(self, past):
        """How many effects were acknowledged longer before the kill than the window."""
        limit = self.order["killed_at"] - self.order["window_s"]
        return sum(at < limit for at in past.acknowledged_at)

    def note_lost(self, past, reached):
        lost = past.acknowledged - reached
        if lost > 0:
            self.counts["lost_in_window"] += lost
            age = self.order["killed_at"] - past.acknowledged_at[reached]
            self.lost_ms = max(self.lost_ms, age * 1000)

    # --- keys that all write

    def check_shared(self):
        def is_binding(answered, durable):
            if not self.order["prefix_only"]:
                return True
            return durable or answered < self.order["killed_at"] - self.order["window_s"]

        effects = {}
        for number in self.shared:
            path = os.path.join(self.order["journal"], f"{number}.log")
            if not os.path.exists(path):
                continue
            own, violations = journal.read_shared(path, number, is_binding)
            self.violations += violations
            for key, some in own.items():
                effects.setdefault(key, []).extend(some)
        for some in effects.values():
            for effect in some:
                name = ("in_flight" if effect.answered is None else
                        "acknowledged_writes" if effect.version else "acknowledged_erases")
                self.counts[name] += 1
        found = self.read_keys(SHARED_DATABASE, SHARED_KEYS, with_expiry=False)
        for key in range(SHARED_KEYS):
            if found[key] is None:
                continue
            violation, self.shared_base[key] = history.check_shared(
                key, self.shared_base[key], effects.get(key, []), found[key],
                self.order["evicting"])
            if violation:
                self.violations.append(violation)

    # --- what is there

    def read_keys(self, database, count, with_expiry):
        """Of each key what was found; None where it was wrong in itself."""
        self.connection.call("SELECT", database)
        found = []
        for first in range(0, count, CHUNK):
            keys = range(first, min(count, first + CHUNK))
            requests = [("GET", key) for key in keys]
            if with_expiry:
                requests += [("PEXPIRETIME", key) for key in keys]
            asked = now_ms()
            replies = self.connection.pipeline(requests)
            answered = now_ms()
            for i, key in enumerate(keys):
                expires = replies[len(keys) + i] if with_expiry else -1
                found.append(self.look(database, key, replies[i], expires, asked, answered))
        return found

    def look(self, database, key, value, expires, asked, answered):
        self.counts["keys"] += 1
        if isinstance(value, Error) or isinstance(expires, Error):
            self.violations.append(f"database {database}, key {key}: {value} {expires}")
            return None
        says = None
        if value is not None:
            self.counts["bytes"] += len(value)
            try:
                says = values.read(value, key)
            except values.Wrong as wrong:
                self.violations.append(f"database {database}, key {key}: {wrong}")
                return None
        return history.Found(value, expires, asked, answered, says)

    def check_metadata(self, number, found):
        self.connection.call("SELECT", number)
        asked = [(key, *each.says, len(each.value)) for key, each in enumerate(found)
                 if each.says and each.expires_at_ms == -1
                 and values.has_metadata(each.says[0], key, each.says[1])][::META_SHARE]
        replies = self.connection.pipeline([("KACHEL.META", key) for key, *_ in asked])
        for (key, writer, version, length), reply in zip(asked, replies):
            self.counts["metadata"] += 1
            meta = isinstance(reply, list) and dict(zip(reply[::2], reply[1::2]))
            if meta and values.metadata_fits(meta, version, length):
                continue
            if reply is None and self.order["evicting"]:
                continue
            self.violations.append(
                f"connection {number}, key {key}, version {version}: metadata {reply}")


def main(pipe, numbers):
    """Process: takes orders from `pipe` until it closes. None: the store is a new one."""
    die_with_parent()
    checker = Checker(numbers)
    while True:
        try:
            order = pipe.recv()
        except EOFError:
            return
        if order is None:
            checker.reset()
            continue
        began = time.monotonic()
        try:
            result = checker.check(order)
        except Exception:  # noqa: BLE001 - reported by the test's main process
            result = {"failure": traceback.format_exc()}
        result["check_ms"] = (time.monotonic() - began) * 1000
        pipe.send(result)
