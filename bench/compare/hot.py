"""hot: GETs of values that are all in memory."""

import os

import load
import peers
import table
from common import Failed, progress

KEYS = 20_000
VALUE_SIZE, VALUE_BYTES = "1KiB", 1024
CONNECTIONS = 32
PIPELINES = (16, 1)
MEASURES = {"cpu_us_per_op": "CPU of the server, us/GET", "ops_per_s": "GETs/s",
            "p50_us": "P50, us", "p99_us": "P99, us"}
INTRODUCTION = (f"GETs of {KEYS:,} keys with values of {VALUE_SIZE}, all in memory, uniform, "
                f"{CONNECTIONS} connections, one thread for clients each. `echo` parses, finds and "
                "stores nothing: the floor.")


def measure(peer, pipeline, seconds):
    phase = load.bench(peer, connections=CONNECTIONS, pipeline=pipeline, keys=KEYS,
                       value_size=VALUE_SIZE, seconds=seconds)
    if phase["misses"]:
        raise Failed(f"hot: {peer.name} has missed {phase['misses']} of its keys")
    return load.figures_of(phase)


def fill(peer):
    load.bench(peer, connections=CONNECTIONS, pipeline=16, keys=KEYS, value_size=VALUE_SIZE,
               phase="load")


def flash_hits(kachel):
    return kachel.info()["flash_hits"]


def run(options, top):
    """The rounds. Servers stay between rounds; one that waits takes next to nothing."""
    started = []
    try:
        kachel = peers.Kachel(os.path.join(top, "kachel"))
        started.append(kachel)
        started.append(peers.Redis(os.path.join(top, "redis")))
        started.append(peers.Memcached(os.path.join(top, "memcached"), 256))
        for peer in started:
            fill(peer)
        started.append(peers.Echo(os.path.join(top, "echo"), VALUE_BYTES))
        for peer in started:
            measure(peer, 16, options.hot_s)  # warms
        before = flash_hits(kachel)
        rounds = []
        for number in range(options.rounds):
            figures = {}
            for pipeline in PIPELINES:
                setting = figures.setdefault(f"pipeline {pipeline}", {})
                for peer in started:
                    setting[peer.name] = measure(peer, pipeline, options.hot_s)
            rounds.append(figures)
            report(number, options, figures)
        if flash_hits(kachel) != before:
            raise Failed("hot: kacheld has read from flash; nothing of this is a hot GET")
        return rounds
    finally:
        peers.stop_all(started)


def report(number, options, figures):
    said = "; ".join(
        f"{setting}: " + ", ".join(f"{peer} {found['cpu_us_per_op']:.2f}"
                                   for peer, found in each.items())
        for setting, each in figures.items())
    progress(f"hot: round {number + 1} of {options.rounds}: us/GET at {said}")


def budgets(rounds):
    return [table.Budget(f"hot GET, CPU over redis' at pipeline {pipeline}",
                         tuple(table.ratios_of(rounds, f"pipeline {pipeline}", "redis",
                                               "cpu_us_per_op")), at_most=bound)
            for pipeline, bound in ((16, 0.75), (1, 0.9))]
