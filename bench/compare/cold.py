"""cold: GETs of values that are on the device, far more of them than memory has room for."""

import os

import devices
import load
import peers
import table
from common import MIB, Failed, forget, progress, storage_read_bytes

VALUE_BYTES = 4096
MEMORY_MIB = 64
DEPTHS = (32, 1)
MEMCACHED_FILL_RATE = 10_000  # SETs a second
MEASURES = {"reads_per_s": "values/s (fio: reads)", "p50_us": "P50, us", "p99_us": "P99, us",
            "cpu_us_per_op": "CPU, us/GET", "hit_ratio": "keys found, of 1",
            "reads_per_get": "reads of segments per GET from flash", "read_bytes": "bytes a read",
            "storage_bytes_per_get": "bytes from storage per GET"}
INTRODUCTION = ("GETs of random keys, values of 4 KiB that do not compress; {size} MiB of them, memory "
                f"{MEMORY_MIB} MiB, as many connections (or threads) as the depth, pipeline 1. Clients of "
                "kacheld and memcached are reached through the loopback and share the processors; "
                "fio and db_bench (blob files, direct reads) have no client. fio reads as many blocks of "
                "4 KiB at a time as kacheld did most often. memcached's extstore and Kachel's index read "
                "through the page cache, which is emptied of their files before each turn. "
                "`echo` reads nothing: what client and loopback cost by themselves.")


class Files:
    """What is read, made once."""

    def __init__(self, options, top):
        self.keys = options.cold_bytes // VALUE_BYTES
        self.database = os.path.join(top, "rocksdb")
        self.fio = os.path.join(top, "fio")
        self.bytes = options.cold_bytes
        devices.file_of_random_bytes(self.fio, options.cold_bytes)
        devices.db_bench_fill(self.database, self.keys, VALUE_BYTES)


def fill(peer, keys):
    load.bench(peer, connections=32, pipeline=4, keys=keys, value_size="4KiB", phase="load",
               compressibility="1")


def fill_slowly(memcached, keys):
    """As fast as memcached is asked to, it throws away what it has not yet written to its file."""
    load.bench(memcached, connections=8, pipeline=1, keys=keys, value_size="4KiB", mix="set=100",
               compressibility="1", more=("--key-distribution", "sequential", "--ops", str(keys),
                                          "--rate", str(MEMCACHED_FILL_RATE)))


def start_kachel(options, top):
    """Filled, started anew with nothing in the hot tier, and nothing of it in the page cache."""
    kachel = peers.Kachel(os.path.join(top, "kachel"), "--capacity", str(3 * options.cold_bytes),
                          "--warm-rate", "0", memory=f"{MEMORY_MIB}MiB")
    try:
        fill(kachel, options.cold_bytes // VALUE_BYTES)
        kachel.end_orderly()
        forget(kachel.directory)
        kachel.start()
    except BaseException:
        kachel.stop()
        raise
    return kachel


def start_memcached(options, top):
    memcached = peers.Memcached(os.path.join(top, "memcached"), MEMORY_MIB,
                                extstore_bytes=2 * options.cold_bytes, io_threads=max(DEPTHS))
    try:
        fill_slowly(memcached, options.cold_bytes // VALUE_BYTES)
    except BaseException:
        memcached.stop()
        raise
    return memcached


def ask(peer, keys, depth, seconds, seed):
    """A turn of a server: what its client saw, and what the kernel read for it."""
    before = storage_read_bytes(peer.pid)
    phase = load.bench(peer, connections=depth, pipeline=1, keys=keys, value_size="4KiB",
                       compressibility="1", seconds=seconds, seed=seed)
    figures = load.figures_of(phase)
    figures["reads_per_s"] = figures["ops_per_s"] * figures["hit_ratio"]
    figures["storage_bytes_per_get"] = ((storage_read_bytes(peer.pid) - before)
                                        / max(1, phase["operations"]))
    return figures, phase["seconds"]


def ask_kachel(kachel, keys, depth, seconds, seed):
    forget(kachel.directory)  # of the index; segments are read past the page cache
    before = kachel.info()
    figures, took_s = ask(kachel, keys, depth, seconds, seed)
    after = kachel.info()

    def counted(name):
        return after[name] - before[name]
    reads, from_flash = counted("device_reads"), counted("flash_hits")
    if not reads or not from_flash:
        raise Failed("cold: kacheld has read nothing from the device")
    figures["reads_per_get"] = reads / from_flash
    figures["read_bytes"] = counted("device_read_bytes") / reads
    # What was answered from memory is no read: beside fio only these count.
    figures["device_reads_per_s"] = reads / took_s
    figures["from_flash"] = from_flash / (from_flash + counted("hot_hits"))
    figures["index_lookups_past_memory"] = counted("index_pool_lookups") / from_flash
    return figures


def ask_memcached(memcached, keys, depth, seconds, seed):
    forget(os.path.join(memcached.directory, "extstore"))
    return ask(memcached, keys, depth, seconds, seed)[0]


def ask_echo(echo, keys, depth, seconds):
    """What loopback and client cost by themselves, with answers of the same size."""
    figures = load.figures_of(load.bench(echo, connections=depth, pipeline=1, keys=keys,
                                         value_size="4KiB", seconds=seconds))
    figures["reads_per_s"] = figures["ops_per_s"]
    del figures["hit_ratio"]
    return figures


def one_round(options, files, kachel, memcached, echo, number):
    figures = {}
    for depth in DEPTHS:
        seed = 1000 * number + depth
        mine = ask_kachel(kachel, files.keys, depth, options.cold_s, seed)
        block = devices.whole_blocks(mine["read_bytes"])
        figures[f"depth {depth}"] = {
            "kachel": mine,
            "fio": devices.fio_reads(files.fio, files.bytes, block, depth, options.cold_s),
            "memcached": ask_memcached(memcached, files.keys, depth, options.cold_s, seed),
            "db_bench": devices.db_bench_reads(files.database, files.keys, VALUE_BYTES,
                                               MEMORY_MIB * MIB, depth, options.cold_s),
            "echo": ask_echo(echo, files.keys, depth, options.cold_s)}
    return figures


def run(options, top):
    started = []
    try:
        progress(f"cold: writing {options.cold_bytes // MIB} MiB for each of kachel, memcached, "
                 "db_bench and fio")
        files = Files(options, top)
        memcached = start_memcached(options, top)
        started.append(memcached)
        kachel = start_kachel(options, top)
        started.append(kachel)
        echo = peers.Echo(os.path.join(top, "echo"), VALUE_BYTES)
        started.append(echo)
        rounds = []
        for number in range(options.rounds):
            figures = one_round(options, files, kachel, memcached, echo, number)
            rounds.append(figures)
            progress(f"cold: round {number + 1} of {options.rounds}: reads/s at " + "; ".join(
                f"{setting}: " + ", ".join(f"{peer} {found['reads_per_s']:,.0f}"
                                           for peer, found in each.items())
                for setting, each in figures.items()))
        return rounds
    finally:
        peers.stop_all(started)


def budgets(rounds):
    found = []
    for depth in DEPTHS:
        setting = f"depth {depth}"
        found += [
            table.Budget(f"cold GET, device reads each, {setting}",
                         tuple(table.figures_of(rounds, setting, "kachel", "reads_per_get")),
                         at_most=1.02, note=index_note(rounds, setting)),
            table.Budget(f"cold GET, reads/s over fio's, {setting}",
                         tuple(table.ratios_of(rounds, setting, "fio", "device_reads_per_s",
                                               "reads_per_s")), at_least=0.9),
            table.Budget(f"cold GET, P99 over fio's, {setting}",
                         tuple(table.ratios_of(rounds, setting, "fio", "p99_us")), at_most=1.3)]
    return found


def index_note(rounds, setting):
    past = table.spread_of(table.figures_of(rounds, setting, "kachel", "index_lookups_past_memory"))
    flash = table.spread_of(table.figures_of(rounds, setting, "kachel", "from_flash"))
    if past is None or flash is None:
        return ""
    return (f"beside {table.number(past.median)} lookups each of the index past its memory; "
            f"{flash.median:.1%} of the GETs came from flash")
