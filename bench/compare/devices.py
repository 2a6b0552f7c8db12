"""The limits: what fio, zstd, memcpy and db_bench reach by themselves."""

import ctypes
import json
import os
import re
import resource

import harness
from common import Failed, run_tool

BLOCK = 4096


def whole_blocks(mean_bytes):
    """What most of some reads have, of whose sizes this is the mean."""
    return max(1, round(mean_bytes / BLOCK)) * BLOCK


def fio(path, size, rw, block_bytes, depth, seconds=None):
    """The figures of fio's one job, direct and by io_uring."""
    command = ["fio", "--name=job", f"--filename={path}", f"--rw={rw}", f"--bs={block_bytes}",
               "--direct=1", f"--iodepth={depth}", "--ioengine=io_uring",
               f"--size={size // block_bytes * block_bytes}", "--output-format=json"]
    if seconds is not None:
        command += ["--time_based", f"--runtime={int(seconds * 1000)}ms", "--randrepeat=0"]
    if rw == "write":
        command += ["--end_fsync=1", "--refill_buffers"]
    said = run_tool(command)
    # Warnings may come before it.
    job = json.loads(said[said.index("{"):])["jobs"][0]
    return job["read" if "read" in rw else "write"], job


def fio_reads(path, size, block_bytes, depth, seconds):
    reads, job = fio(path, size, "randread", block_bytes, depth, seconds)
    cpu_share = (job["usr_cpu"] + job["sys_cpu"]) / 100
    return {"reads_per_s": reads["iops"], "read_bytes": float(block_bytes),
            "p50_us": reads["clat_ns"]["percentile"]["50.000000"] / 1000,
            "p99_us": reads["clat_ns"]["percentile"]["99.000000"] / 1000,
            "cpu_us_per_op": cpu_share * 1e6 / reads["iops"]}


DB_OPTIONS = ["--enable_blob_files=1", "--blob_compression_type=none", "--compression_type=none",
              "--key_size=16", "--bloom_bits=10", "--compression_ratio=1"]
# What it says it found is of one of its threads.
DONE = re.compile(
    r"readrandom\s*:.*?([\d.]+) ops/sec.*? (\d+) operations;.*?\((\d+) of (\d+) found\)")
PERCENTILES = re.compile(r"Percentiles: P50: ([\d.]+).*? P99: ([\d.]+)")


def db_bench_fill(directory, keys, value_bytes):
    """In order, so that every key is there once."""
    run_tool(["db_bench", "--benchmarks=fillseq,flush", f"--db={directory}", f"--num={keys}",
              f"--value_size={value_bytes}", "--disable_wal=1", *DB_OPTIONS])


def db_bench_reads(directory, keys, value_bytes, memory_bytes, threads, seconds):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = run_tool(["db_bench", "--benchmarks=readrandom", "--use_existing_db=1",
                     f"--db={directory}", f"--num={keys}", f"--value_size={value_bytes}",
                     "--use_direct_reads=1", f"--threads={threads}",
                     f"--duration={max(1, round(seconds))}", "--histogram=1",
                     f"--cache_size={memory_bytes}", *DB_OPTIONS])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    done, percentiles = DONE.search(said), PERCENTILES.search(said)
    if not done or not percentiles:
        raise Failed(f"db_bench said nothing of readrandom: {said[-500:]}")
    asked, share = int(done[2]), int(done[3]) / int(done[4])
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"reads_per_s": float(done[1]) * share, "hit_ratio": share,
            "p50_us": float(percentiles[1]), "p99_us": float(percentiles[2]),
            "cpu_us_per_op": cpu_s * 1e6 / asked,
            # ru_inblock counts 512 bytes each: what was read from storage.
            "storage_bytes_per_get": (after.ru_inblock - before.ru_inblock) * 512 / asked}


def memcpy_mib_per_s():
    return float(run_tool([harness.binary("compare_memcpy_rate")]))


ZSTD_SAID = re.compile(r"\(x([\d.]+)\),\s*([\d.]+) MB/s,?\s*([\d.]+) MB/s")


def zstd_alone(path, seconds):
    """{measure: figure} of level 3 on one file, by one thread."""
    said = run_tool(["sh", "-c", 'exec zstd -b3 "-i$1" "$2" 2>&1', "sh", str(max(1, int(seconds))),
                     path])
    found = ZSTD_SAID.findall(said)
    if not found:
        raise Failed(f"zstd -b3 said something else: {said[-300:]}")
    factor, compress, decompress = map(float, found[-1])
    mib = 1e6 / (1 << 20)
    return {"factor": factor, "compress_mib_s": compress * mib, "decompress_mib_s": decompress * mib}


def zstd_each_bytes(values, level=3):
    """Of all values, each compressed by itself, without a dictionary."""
    try:
        library = ctypes.CDLL("libzstd.so.1")
    except OSError as error:
        raise Failed(f"libzstd is missing: tools/install build: {error}") from None
    library.ZSTD_compress.restype = ctypes.c_size_t
    library.ZSTD_compress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p,
                                      ctypes.c_size_t, ctypes.c_int]
    library.ZSTD_compressBound.restype = ctypes.c_size_t
    library.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
    room = ctypes.create_string_buffer(library.ZSTD_compressBound(max(map(len, values))))
    return sum(library.ZSTD_compress(room, len(room), value, len(value), level) for value in values)


def file_of_random_bytes(path, size):
    block = 1 << 20
    with open(path, "wb") as file:
        for _ in range(-(-size // block)):
            file.write(os.urandom(block))
        os.fsync(file.fileno())
