"""limits: what the parts reach by themselves. No budgets; what the other figures are held against."""

import os

import devices
import rest
from common import MIB, progress

MEASURES = {"mib_s": "MiB/s", "factor": "times smaller"}
INTRODUCTION = ("memcpy of 256 MiB by one thread; `zstd -b3` on {text}, one thread; fio writes in order by "
                "1 MiB, 8 at a time, past the page cache, with a sync at the end.")


def text_of(options, top):
    """A file for zstd: the corpus' texts, or blanks and random bytes by turns."""
    path = os.path.join(top, "text")
    with open(path, "wb") as file:
        if options.corpus:
            file.write(b"\n".join(rest.read_corpus(options.corpus, options.corpus_field))[:64 * MIB])
        else:
            for _ in range(32 * MIB // 1024):
                file.write(os.urandom(512) + b" " * 512)
    return path


def run(options, top):
    text = text_of(options, top)
    written = os.path.join(top, "written")
    rounds = []
    for number in range(options.rounds):
        zstd = devices.zstd_alone(text, options.limit_s)
        writes, _ = devices.fio(written, options.limit_bytes, "write", MIB, 8)
        os.remove(written)
        figures = {
            "memcpy": {"memcpy": {"mib_s": devices.memcpy_mib_per_s()}},
            "zstd -3 compresses": {"zstd": {"mib_s": zstd["compress_mib_s"], "factor": zstd["factor"]}},
            "zstd decompresses": {"zstd": {"mib_s": zstd["decompress_mib_s"]}},
            "writes in order": {"fio": {"mib_s": writes["bw_bytes"] / MIB}}}
        rounds.append(figures)
        progress(f"limits: round {number + 1} of {options.rounds}: MiB/s: " + ", ".join(
            f"{setting} {found['mib_s']:,.0f}" for setting, each in figures.items()
            for found in each.values()))
    return rounds


def budgets(_rounds):
    return []
