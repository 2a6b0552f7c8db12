"""The record between a loader and the checker: an append-only file for each connection and
round. What is about to be sent is in the file before it is sent; what was answered is in it
before anything further is sent. One line each:

    E COMMAND KIND KEY VERSION LOW_MS HIGH_MS   an effect of a command about to be sent
    A COMMAND SECONDS DURABLE                   the command was answered
    N COMMAND SECONDS                           answered, and it had no effect
    S COMMAND KEY VERSION SECONDS               a write to the shared database, about to be sent
    V text                                      an answer that cannot be right

Times are of the monotonic clock, which all processes of a machine share.
"""

import os

import history


class Writer:
    def __init__(self, path):
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
        self._lines = []

    def add(self, *words):
        self._lines.append(" ".join(map(str, words)))

    def write(self):
        """Returns once the lines are the kernel's: the loader's death loses nothing of them."""
        if not self._lines:
            return
        data = memoryview(("\n".join(self._lines) + "\n").encode())
        self._lines = []
        while data:
            data = data[os.write(self._fd, data):]

    def close(self):
        self.write()
        os.close(self._fd)


def _lines(path, connection, violations):
    """Yields (kind, command, words after it); what the loader itself saw goes to `violations`."""
    with open(path) as file:
        for line in file:
            kind, _, rest = line.rstrip("\n").partition(" ")
            if kind == "V":
                violations.append(f"connection {connection}: {rest}")
                continue
            command, *words = rest.split()
            yield kind, int(command), words


def read_own(path, past):
    """Adds what the file says to `past`, a History. Returns the loader's own violations."""
    violations, waiting = [], {}
    for kind, command, words in _lines(path, past.writer, violations):
        if kind == "E":
            effect = history.Effect(words[0], *map(int, words[1:]))
            waiting.setdefault(command, []).append(effect)
        elif kind == "A":
            effects = waiting.pop(command)
            past.effects += effects
            past.acknowledge(len(effects), float(words[0]), words[1] == "1")
        elif kind == "N":
            waiting.pop(command)
    for command in sorted(waiting):  # never answered
        past.effects += waiting[command]
    return violations


def read_shared(path, writer, is_binding):
    """Of each key the effects. `is_binding(answered, durable)`."""
    issued, effects, violations = {}, {}, []

    def take(key, version, at, answered, binding):
        effects.setdefault(key, []).append(
            history.SharedEffect(writer, version, at, answered, binding))

    for kind, command, words in _lines(path, writer, violations):
        if kind == "S":
            issued[command] = (int(words[0]), int(words[1]), float(words[2]))
        elif kind == "A":
            key, version, at = issued.pop(command)
            answered = float(words[0])
            take(key, version, at, answered, is_binding(answered, words[1] == "1"))
        elif kind == "N":
            issued.pop(command)
    for key, version, at in issued.values():
        take(key, version, at, None, False)
    return effects, violations
