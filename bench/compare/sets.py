"""set: SETs of 1 KiB, each server new in its turn, so that nobody pays for another's write-back."""

import os

import load
import peers
import table
from common import progress

KEYS = 20_000
CONNECTIONS = 32
PIPELINES = (1, 16)
MEASURES = {"ops_per_s": "SETs/s", "cpu_us_per_op": "CPU of the server, us/SET",
            "p50_us": "P50, us", "p99_us": "P99, us"}
INTRODUCTION = (f"SETs of 1 KiB to {KEYS:,} keys, uniform, {CONNECTIONS} connections. everysec: kachel "
                "`group` and redis `appendfsync everysec`; always: kachel `strict` and redis "
                "`appendfsync always`. redis does not rewrite its log meanwhile, and does not compress.")
MODES = {"everysec": "group", "always": "strict"}


def measure(peer, pipeline, seconds):
    try:
        load.bench(peer, connections=CONNECTIONS, pipeline=16, keys=KEYS, value_size="1KiB",
                   phase="load")  # so that all that is measured overwrites
        phase = load.bench(peer, connections=CONNECTIONS, pipeline=pipeline, keys=KEYS,
                           value_size="1KiB", seconds=seconds, mix="set=100")
        figures = load.figures_of(phase)
        if peer.name == "kachel":
            # A cache may drop what it can't take: then this is no rate of SETs.
            figures["not_stored"] = peer.info()["sets_not_stored"]
        return figures
    finally:
        peer.stop()


def run(options, top):
    rounds = []
    for number in range(options.rounds):
        figures = {}
        for fsync, durability in MODES.items():
            for pipeline in PIPELINES:
                figures[f"{fsync}, pipeline {pipeline}"] = {
                    "kachel": measure(peers.Kachel(os.path.join(top, "kachel"), "--capacity",
                                                   "8GiB", durability=durability),
                                      pipeline, options.set_s),
                    "redis": measure(peers.Redis(os.path.join(top, "redis"), fsync), pipeline,
                                     options.set_s)}
        rounds.append(figures)
        progress(f"set: round {number + 1} of {options.rounds}: SETs/s, kachel and redis: " + "; ".join(
            f"{setting}: {each['kachel']['ops_per_s']:,.0f} and {each['redis']['ops_per_s']:,.0f}"
            for setting, each in figures.items()))
    return rounds


def budgets(rounds):
    found = []
    for setting, bound in (("everysec", 1), ("always", 2)):
        for pipeline in PIPELINES:
            name = f"{setting}, pipeline {pipeline}"
            dropped = sum(table.figures_of(rounds, name, "kachel", "not_stored"))
            found.append(table.Budget(
                f"SETs/s over redis', {name}",
                tuple(table.ratios_of(rounds, name, "redis", "ops_per_s")), at_least=bound,
                note=f"{dropped:,} SETs were accepted and not stored" if dropped else ""))
    return found
