"""What may be found after a crash, given what was issued and what was acknowledged. No I/O.

Each connection has keys of its own, so its record is a list of effects in the order in which
they were sent, of which the first `acknowledged` were answered:

- `check_each` (group, strict, and every mode after a stop in order): each key is in the state
  its last acknowledged effect left, or in one that was sent later;
- `check_prefix` (relaxed): all keys together are in the state which some prefix of the effects
  left, and that prefix reaches as far as what was durable or older than the window.

Keys of the shared database are written by all connections. There an effect counts as overwritten
when an acknowledged one was issued after it had been answered: `check_shared`.

With `evicting`, absence is always allowed; and as a later start may find again what was evicted
(unlike what was erased), a key that is absent may stay in one of several states.
"""

from dataclasses import dataclass

import values

CLOCK_SLACK_MS = 2  # the server's clock and ours are cut to milliseconds at different moments


@dataclass(frozen=True)
class State:
    """Of one key. Version 0: absent. It expires between `low_ms` and `high_ms`; 0: never."""
    version: int = 0
    low_ms: int = 0
    high_ms: int = 0

    def __str__(self):
        if not self.version:
            return "absent"
        expiry = f" expiring at {self.low_ms}" if self.low_ms else ""
        return f"version {self.version}{expiry}"


ABSENT = State()


@dataclass(frozen=True)
class Effect:
    """S: set. K: set, expiry kept. X: expiry changed. D: erased. F: all keys erased."""
    kind: str
    key: int
    version: int = 0
    low_ms: int = 0
    high_ms: int = 0

    def after(self, states):
        """The states possible after it, of those possible before."""
        if self.kind == "S":
            return (State(self.version, self.low_ms, self.high_ms),)
        if self.kind == "K":
            return tuple({State(self.version, s.low_ms, s.high_ms) for s in states})
        if self.kind == "X":
            return tuple({State(s.version, self.low_ms, self.high_ms) if s.version else ABSENT
                          for s in states})
        return (ABSENT,)


@dataclass(frozen=True)
class Found:
    """What a read said, asked and answered between two moments of the wall clock."""
    value: bytes | None
    expires_at_ms: int  # -1: never, -2: absent
    asked_ms: int
    answered_ms: int
    says: tuple | None = None  # (writer, version) of the value; None: too short to say

    def __str__(self):
        if self.value is None:
            return "nothing"
        return f"{self.says or self.value!r} expiring at {self.expires_at_ms}"


def may_be_gone(state, now_ms):
    return not state.version or bool(state.low_ms and state.low_ms - CLOCK_SLACK_MS <= now_ms)


def fits(writer, key, state, found):
    """Whether what was found is what a key in this state shows."""
    if found.value is None:
        return may_be_gone(state, found.answered_ms)
    if not state.version:
        return False
    if state.high_ms and state.high_ms + CLOCK_SLACK_MS < found.asked_ms:
        return False
    return _same_expiry(state, found) and is_value_of(writer, key, state.version, found)


def _same_expiry(state, found):
    if found.expires_at_ms == -2:  # gone between the two questions
        return may_be_gone(state, found.answered_ms)
    if found.expires_at_ms == -1:
        return state.low_ms == 0
    return state.low_ms - CLOCK_SLACK_MS <= found.expires_at_ms <= state.high_ms + CLOCK_SLACK_MS


def is_value_of(writer, key, version, found):
    if found.says is not None:
        return found.says == (writer, version)
    return (values.is_tiny(writer, key, version)
            and found.value == values.make(writer, key, version))


def seen(state, found):
    """The state from now on, once `found` was seen of it."""
    if found.value is None:
        return ABSENT
    if found.expires_at_ms >= 0:
        return State(state.version, found.expires_at_ms, found.expires_at_ms)
    return state


class History:
    """Of one connection's keys since `base` was seen there."""

    def __init__(self, writer, base):
        self.writer = writer
        self.base = base  # of each key the states it may be in
        self.effects = []
        self.acknowledged = 0  # so many effects from the start
        self.durable = 0  # likewise: what an acknowledged erase made durable, and all before it
        self.acknowledged_at = []  # seconds, monotonic, of each acknowledged effect

    def acknowledge(self, count, at, durable):
        self.acknowledged += count
        self.acknowledged_at += [at] * count
        if durable and count:
            self.durable = self.acknowledged

    def steps(self):
        """Of each key, in order: (number of effects before, states possible from there on)."""
        steps = [[(0, states)] for states in self.base]
        for number, effect in enumerate(self.effects, 1):
            for key in range(len(steps)) if effect.kind == "F" else (effect.key,):
                steps[key].append((number, effect.after(steps[key][-1][1])))
        return steps

    def check_each(self, found, evicting):
        """Violations, and of each key the states it may be in from now on."""
        violations, now = [], []
        for key, steps in enumerate(self.steps()):
            last = max(i for i, (count, _) in enumerate(steps) if count <= self.acknowledged)
            allowed = [state for _, states in steps[last:] for state in states]
            now.append(self._settle(key, allowed, found[key], evicting))
            if not now[-1]:
                violations.append(self._tell(key, steps, last, found[key]))
        return violations, now

    def _settle(self, key, allowed, found, evicting):
        if evicting and found.value is None:
            return tuple(set(allowed))
        for state in allowed:
            if fits(self.writer, key, state, found):
                return (seen(state, found),)
        return ()

    def _tell(self, key, steps, last, found):
        def listed(some):
            return ", ".join(f"#{n} {' or '.join(map(str, states))}" for n, states in some) or "-"
        return (f"connection {self.writer}, key {key}: found {found}; in force {listed([steps[last]])}"
                f"; sent later: {listed(steps[last + 1:])}"
                f"; before: {listed(steps[max(0, last - 4):last])}")

    def check_prefix(self, found, evicting, needed):
        """As check_each, and how many effects are there. At least `needed` have to be."""
        all_steps = self.steps()
        change = [0] * (len(self.effects) + 2)  # of how many keys fit, at each prefix
        for key, steps in enumerate(all_steps):
            ends = [count for count, _ in steps[1:]] + [len(self.effects) + 1]
            for (start, states), end in zip(steps, ends):
                if self._any_fits(key, states, found[key], evicting):
                    change[start] += 1
                    change[end] -= 1
        running, prefixes = 0, []
        for p in range(len(self.effects) + 1):
            running += change[p]
            if running == len(self.base):
                prefixes.append(p)
        if not prefixes:
            return [self._hole(all_steps, found, evicting)], [], 0
        now = []
        for key, steps in enumerate(all_steps):
            last = max(i for i, (count, _) in enumerate(steps) if count <= prefixes[0])
            allowed = [state for count, states in steps[last:] for state in states
                       if count <= prefixes[-1]]
            now.append(self._settle(key, allowed, found[key], evicting))
        violations = []
        if prefixes[-1] < needed:
            violations.append(
                f"connection {self.writer}: {prefixes[-1]} of {self.acknowledged} acknowledged "
                f"effects are there, {needed} had to be ({self.durable} were durable); the first "
                f"that is missing is {self.effects[prefixes[-1]]}")
        return violations, now, prefixes[-1]

    def _any_fits(self, key, states, found, evicting):
        if evicting and found.value is None:
            return True
        return any(fits(self.writer, key, state, found) for state in states)

    def _hole(self, all_steps, found, evicting):
        """Names the prefix that most keys fit, and keys that do not."""
        best, misfits = 0, None
        for p in range(len(self.effects) + 1):
            wrong = []
            for key, steps in enumerate(all_steps):
                states = [states for count, states in steps if count <= p][-1]
                if not self._any_fits(key, states, found[key], evicting):
                    wrong.append(key)
            if misfits is None or len(wrong) < len(misfits):
                best, misfits = p, wrong
        details = []
        for key in misfits[:3]:
            steps = all_steps[key]
            last = max(i for i, (count, _) in enumerate(steps) if count <= best)
            details.append(self._tell(key, steps, last, found[key]))
        return (f"connection {self.writer}: a hole: no prefix of its {len(self.effects)} effects "
                f"({self.acknowledged} acknowledged, {self.durable} durable) is there; {best} "
                f"fit all but {len(misfits)} keys: " + "; ".join(details))


@dataclass(frozen=True)
class SharedEffect:
    """A write to a key of the shared database. Times are monotonic seconds."""
    writer: int = 0
    version: int = 0  # 0: an erase
    issued: float = 0
    answered: float | None = 0  # None: never
    binding: bool = True  # answered, and not of those that the mode may lose


def check_shared(key, base, effects, found, evicting):
    """(violation or None, the effects of which one is in force from now on)."""
    binding = [effect.issued for effect in effects if effect.binding]
    latest = max(binding, default=-1)
    allowed = [effect for effect in (*base, *effects)
               if effect.answered is None or effect.answered >= latest]
    if evicting and found.value is None:
        return None, tuple({SharedEffect(e.writer, e.version) for e in allowed})
    for effect in allowed:
        if found.value is None:
            matches = effect.version == 0
        else:
            matches = effect.version != 0 and is_value_of(effect.writer, key, effect.version, found)
        if matches:
            return None, (SharedEffect(effect.writer, effect.version),)
    return f"shared key {key}: found {found}; allowed are {allowed[:8]}", base
