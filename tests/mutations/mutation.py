"""A deliberate bug: a text file that says what it is, what must catch it, and what to replace.

  what: one line of prose
  file: engine/log.cc
  caught by: kachel-simulator
  <<<<
  lines as they are
  ====
  lines as they shall be
  >>>>

`caught by` is a program of build/<preset>/tests with its arguments; the simulator gets its seeds
from the runner. There may be several blocks, and further `file:` lines for the blocks after them.
What is to be replaced must be there exactly once.
"""

import os
from typing import NamedTuple

SUFFIX = ".mutation"
SIMULATOR = "kachel-simulator"


class Unfit(Exception):
    """A mutation that can't be read or no longer applies; the text names the file."""


class Change(NamedTuple):
    file: str
    before: str
    after: str


class Mutation(NamedTuple):
    name: str
    path: str
    what: str
    caught_by: list
    changes: list

    def edits(self, root):
        """What the changed files shall hold: {file: text}."""
        texts = {}
        for change in self.changes:
            if change.file not in texts:
                texts[change.file] = read(os.path.join(root, change.file), self.path)
            found = texts[change.file].count(change.before)
            if found != 1:
                first = change.before.strip().splitlines()[0].strip()
                raise Unfit(
                    f"{self.path}: {change.file} has what it replaces {found} times, not once: "
                    f"'{first}...'; adapt the mutation to the code"
                )
            texts[change.file] = texts[change.file].replace(change.before, change.after)
        return texts


def read(path, wanted_by):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise Unfit(f"{wanted_by}: {error}") from error


def parse(path):
    header, changes, block, side = {}, [], None, None
    for number, line in enumerate(read(path, path).splitlines(keepends=True), 1):
        mark = line.strip()
        if mark == "<<<<" and side is None:
            block, side = {"before": "", "after": ""}, "before"
        elif mark == "====" and side == "before":
            side = "after"
        elif mark == ">>>>" and side == "after":
            changes.append(Change(header.get("file", ""), **block))
            side = None
        elif side is not None:
            block[side] += line
        elif mark:
            key, colon, value = mark.partition(": ")
            if not colon or key not in ("what", "file", "caught by"):
                raise Unfit(f"{path}:{number}: neither a field nor a block: '{mark}'")
            header[key] = value
    missing = [key for key in ("what", "file", "caught by") if key not in header]
    if missing or side is not None or not changes or not all(c.before.strip() for c in changes):
        raise Unfit(f"{path}: it lacks {', '.join(missing) or 'a whole block'}")
    name = os.path.basename(path)[: -len(SUFFIX)]
    return Mutation(name, path, header["what"], header["caught by"].split(), changes)


def load_all(directory):
    names = sorted(name for name in os.listdir(directory) if name.endswith(SUFFIX))
    return [parse(os.path.join(directory, name)) for name in names]
