"""rest: what real completions take on disk, all included, over their own bytes."""

import json
import os
import time

import devices
import peers
import table
from common import MIB, Failed, bytes_below, progress, rss_bytes, run_tool

BATCH = 64
MEASURES = {"bytes_over_raw": "bytes over raw bytes",
            "reencoded": "values compressed anew, of 1"}
# Dictionaries are trained beside the ingest, on what it has brought: all at once would be over before.
SETS_PER_S = 2000
INTRODUCTION = (f"Each completion is set once, {SETS_PER_S:,} a second; then the server stops in order and its directory is measured, "
                "index, keys and all. `zstd` compresses each value by itself without a dictionary and keeps "
                "neither key nor index; `redis` is its RSS.")
# Values with a short life beside them die by a deadline, and take reclaim through every segment.
ERASE_WITHIN = "10m"  # the shortest with which there are dictionaries
MARKERS_EVERY_BYTES = 1 * MIB


def read_corpus(path, field):
    """Texts of a file of JSON Lines, plain or zstd."""
    if path.endswith(".zst"):
        lines = run_tool(["zstd", "-dcq", path]).splitlines()
    else:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    try:
        return [json.loads(line)[field].encode() for line in lines if line]
    except (ValueError, KeyError, AttributeError) as error:
        raise Failed(f"{path}: no JSON Lines with a text in '{field}' ({error!r}): name the field "
                     "with --corpus-field") from None


def set_all(port, values, markers, sets_per_s=SETS_PER_S):
    """Values once each, and among them keys `marker-N` that will be erased. How many of these."""
    raw, count, began = 0, 0, time.monotonic()
    with peers.harness.Connection(port, 120) as connection:
        for first in range(0, len(values), BATCH):
            if sets_per_s:
                time.sleep(max(0, began + first / sets_per_s - time.monotonic()))
            batch = [("SET", f"completion:{i:012d}", values[i])
                     for i in range(first, min(first + BATCH, len(values)))]
            raw += sum(len(request[2]) for request in batch)
            if markers and raw >= count * MARKERS_EVERY_BYTES:
                batch.append(("SET", f"marker-{count}", os.urandom(32)))
                count += 1
            for reply in connection.pipeline(batch):
                if reply != "OK":
                    raise Failed(f"rest: SET answered {reply!r}")
    return count


def kachel_on(top, name):
    settings = os.path.join(top, f"{name}.toml")
    with open(settings, "w", encoding="utf-8") as file:
        file.write(f'[tenant.default]\nerase_within = "{ERASE_WITHIN}"\n')
    return peers.Kachel(os.path.join(top, name), "--config", settings, "--capacity", "2GiB")


def all_there(kachel, values):
    """Or what was measured is not the data."""
    if (entries := kachel.info()["entries"]) < len(values):
        raise Failed(f"rest: {len(values) - entries} of {len(values)} values are not there")


def after_ingest(top, values, raw):
    kachel = peers.Kachel(os.path.join(top, "ingested"), "--capacity", "2GiB")
    try:
        set_all(kachel.port, values, False)
        all_there(kachel, values)
        kachel.end_orderly()
        return bytes_below(kachel.directory) / raw
    finally:
        kachel.stop()


def await_compaction(kachel, seconds):
    """Whether the deadline of what was deleted has had every segment written anew."""
    end = time.monotonic() + seconds
    said = time.monotonic()
    while True:
        info = kachel.info()
        if info["reclaim_write_bytes"] > 0 and info["erasure_debt_segments"] == 0:
            return True
        left = end - time.monotonic()
        if left < 0:
            return False
        if time.monotonic() > said + 30:
            progress(f"rest: waiting for the deadline of what was deleted, "
                     f"{info['erasure_next_deadline_s']} s from now; {left:.0f} s left")
            said = time.monotonic()
        time.sleep(1)


def after_compaction(options, top, values, raw):
    """None when it does not come about in the time there is."""
    kachel = kachel_on(top, "compacted")
    try:
        markers = set_all(kachel.port, values, True)
        with peers.harness.Connection(kachel.port, 120) as connection:
            connection.pipeline([("DEL", f"marker-{i}") for i in range(markers)])
        if not await_compaction(kachel, options.compaction_wait_s):
            return None
        all_there(kachel, values)
        reencoded = kachel.info()["reencoded_entries"]
        kachel.end_orderly()
        return {"bytes_over_raw": bytes_below(kachel.directory) / raw,
                "reencoded": reencoded / len(values)}
    finally:
        kachel.stop()


def redis_memory(top, values, raw):
    redis = peers.Redis(os.path.join(top, "redis"))
    try:
        set_all(redis.port, values, False, sets_per_s=None)
        return rss_bytes(redis.pid) / raw
    finally:
        redis.stop()


def run(options, top):
    """One round: bytes do not depend on the machine. Compaction once, for it waits for a deadline."""
    values = read_corpus(options.corpus, options.corpus_field)
    raw = sum(map(len, values))
    progress(f"rest: {len(values):,} values, {raw / MIB:.1f} MiB; to set them takes "
             f"{len(values) / SETS_PER_S:.0f} s")
    ingest = {"kachel": {"bytes_over_raw": after_ingest(top, values, raw)},
              "zstd": {"bytes_over_raw": devices.zstd_each_bytes(values) / raw},
              "redis": {"bytes_over_raw": redis_memory(top, values, raw)}}
    figures = {"after ingest": ingest}
    if options.compaction_wait_s > 0:
        compacted = after_compaction(options, top, values, raw)
        if compacted is not None:
            figures["after compaction"] = {"kachel": compacted}
    progress("rest: " + ", ".join(f"{setting}: {each['kachel']['bytes_over_raw']:.3f} of raw"
                                  for setting, each in figures.items()))
    return [figures]


def budgets(rounds):
    def values_of(setting):
        return tuple(table.figures_of(rounds, setting, "kachel", "bytes_over_raw"))
    compacted = values_of("after compaction")
    return [table.Budget("bytes at rest over raw, after ingest", values_of("after ingest"), at_most=0.40),
            table.Budget("bytes at rest over raw, after compaction", compacted, at_most=0.33,
                         note="" if compacted else
                         "there is no command for it, and no deadline brought it about in the time "
                         "given (--compaction-wait)")]
