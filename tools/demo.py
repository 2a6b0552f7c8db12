"""The show of tools/quickstart: fills a server through redis-py, kills it, looks again.

Everything goes through the Redis protocol, as an application would do it. Figures come from
the server's INFO. Exit codes: 0 all entries came back; 1 something is wrong; 2 usage.
"""

import argparse
import atexit
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import redis

SAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "samples/completions.jsonl")
READY = re.compile(r"ready to accept connections on 127\.0\.0\.1:(\d+)")
CONNECTIONS = 4
BATCH = 64
BAD_LINES_SHOWN = 20


def fail(message):
    sys.exit(f"quickstart: {message}")


def mib(count):
    return f"{count / (1 << 20):.1f} MiB"


# --- entries


def read_lines(path):
    if not path.endswith(".zst"):
        with open(path, "rb") as file:
            yield from file
        return
    with subprocess.Popen(["zstd", "-dcq", "--", path], stdout=subprocess.PIPE) as process:
        yield from process.stdout
    if process.returncode != 0:
        fail(f"zstd cannot read {path}")


def read_items(path):
    """The good lines of a file; the others are reported by number."""
    bad = 0
    for number, line in enumerate(read_lines(path), 1):
        try:
            item = json.loads(line)
            fields = tuple(item[name] for name in ("model", "prompt", "completion"))
            if not all(isinstance(field, str) for field in fields):
                raise TypeError("model, prompt and completion must be strings")
        except (ValueError, KeyError, TypeError) as error:
            bad += 1
            if bad <= BAD_LINES_SHOWN:
                print(f"line {number}: skipped, {type(error).__name__}: {error}", file=sys.stderr)
            continue
        yield fields
    if bad:
        print(f"{bad} lines of {path} skipped", file=sys.stderr)


def variations(items, count):
    """`count` different entries out of a few: other prompts, paragraphs in another order."""
    for n in range(count):
        model, prompt, completion = items[n % len(items)]
        if n >= len(items):
            prompt += f" (variation {n // len(items)})"
            paragraphs = completion.split("\n\n")
            random.Random(n).shuffle(paragraphs)
            completion = "\n\n".join(paragraphs + [f"(Answer {n}.)"])
        yield model, prompt, completion


def entry(model, prompt, completion):
    digest = hashlib.sha256(f"{model}\n{prompt}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"completion:{digest}", completion.encode("utf-8", "surrogatepass"), model


def read_entries(options):
    items = list(read_items(options.input or SAMPLES))
    if not items:
        fail(f"no completions in {options.input}")
    if options.input is None:
        items = variations(items, options.entries)
    unique = {e[0]: e for e in (entry(*item) for item in items)}
    return list(unique.values())


# --- the server


class Server:
    def __init__(self, options):
        self.kacheld = os.path.join(options.bin, "kacheld")
        self.home = tempfile.mkdtemp(prefix="kachel-quickstart-")
        self.temporary = options.data is None
        self.data = os.path.abspath(options.data or os.path.join(self.home, "data"))
        self.log = os.path.join(self.home, "kacheld.log")
        self.port = options.port
        self.memory = options.memory
        self.process = None
        self.keep = False
        atexit.register(self.clean_up)

    def start(self):
        with open(self.log, "ab") as log:
            begin = log.tell()
            self.process = subprocess.Popen(
                [self.kacheld, "--data", self.data, "--listen", f"127.0.0.1:{self.port}",
                 "--http", "off", "--memory", self.memory],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        while True:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                log.seek(begin)
                text = log.read()
            match = READY.search(text)
            if match:
                self.port = int(match.group(1))
                return
            if self.process.poll() is not None:
                self.process = None
                fail(f"kacheld ended before it was ready:\n{text.strip()}")
            time.sleep(0.01)

    def client(self):
        return redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=60)

    def info(self):
        with self.client() as client:
            return client.info()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.process = None
        if code != 0:
            fail(f"kacheld ended with {code}; its log is {self.log}")

    def clean_up(self):
        if self.keep:
            return
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


# --- the acts


class Progress:
    """One line that counts, on a terminal; silence elsewhere."""

    def __init__(self, what, total):
        self.what, self.total, self.count = what, total, 0
        self.lock = threading.Lock()

    def add(self, count):
        with self.lock:
            self.count += count
            if sys.stdout.isatty():
                print(f"\r  {self.what}: {self.count} of {self.total}", end="", flush=True)

    def done(self):
        print(("\r" if sys.stdout.isatty() else "") + f"  {self.what}: {self.count}", flush=True)


def batches(entries):
    for start in range(0, len(entries), BATCH):
        yield entries[start:start + BATCH]


def load(server, entries, kill_after=None):
    """Sets the entries over several connections. With `kill_after`, kills the server while
    they are at work. Returns those whose reply came."""
    acknowledged, failures = [], []
    progress = Progress("stored and acknowledged", len(entries))
    reached = threading.Event()

    def work(share):
        with server.client() as client:
            for batch in batches(share):
                pipeline = client.pipeline(transaction=False)
                for number, (key, value, model) in enumerate(batch):
                    if number % 2 or len(model.encode()) > 256:
                        pipeline.set(key, value)
                    else:
                        pipeline.execute_command("KACHEL.SET", key, value, "KIND",
                                                 "completion", "MODEL", model)
                try:
                    pipeline.execute()
                except (redis.ConnectionError, redis.TimeoutError) as error:
                    if kill_after is None:
                        failures.append(error)
                    return
                except redis.ResponseError as error:
                    failures.append(error)
                    reached.set()
                    return
                acknowledged.extend(batch)
                progress.add(len(batch))
                if kill_after is not None and progress.count >= kill_after:
                    reached.set()

    threads = [threading.Thread(target=work, args=(entries[i::CONNECTIONS],), daemon=True)
               for i in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    if kill_after is not None:
        while not reached.wait(0.1) and any(thread.is_alive() for thread in threads):
            pass
        server.kill()
    for thread in threads:
        thread.join()
    progress.done()
    if failures:
        fail(f"the server refused a write: {failures[0]}")
    return acknowledged


def read(server, entries, what):
    """Reads all and compares byte for byte."""
    progress = Progress(what, len(entries))
    with server.client() as client:
        for batch in batches(entries):
            values = client.mget([key for key, _, _ in batch])
            for (key, expected, _), value in zip(batch, values):
                if value != expected:
                    fail(f"{key}: {'missing' if value is None else 'other bytes than stored'}")
            progress.add(len(batch))
    progress.done()


def hits(before, after):
    names = ("hot_hits", "write_buffer_hits", "flash_hits", "device_reads")
    return {name: after[name] - before[name] for name in names}


def show_hits(counted):
    print(f"    from DRAM {counted['hot_hits'] + counted['write_buffer_hits']}, "
          f"from flash {counted['flash_hits']} with {counted['device_reads']} device reads")


def show_tiers(server, key):
    with server.client() as client:
        for _ in range(2):
            pairs = client.execute_command("KACHEL.META", key)
            meta = dict(zip(pairs[::2], pairs[1::2]))
            print(f"    KACHEL.META {key[:23]}...: tier {meta[b'tier'].decode()}, "
                  f"{meta[b'raw_bytes']} bytes, {meta[b'stored_bytes']} stored")


def await_warmth(server):
    """It serves meanwhile; the figures below are clearer without it."""
    until = time.monotonic() + 30
    while server.info()["warming"] and time.monotonic() < until:
        time.sleep(0.05)
    info = server.info()
    print(f"  the hot tier is warm again: {info['warm_entries_warmed']} entries, "
          f"{info['warm_duration_ms']} ms")


def ask_again(server, entries):
    """Reads as users do: a few entries often, most of them rarely."""
    rng = random.Random(7)
    picks = [entries[int(len(entries) * rng.random() ** 3)] for _ in range(10000)]
    read(server, picks, "asked again, some much more often than others")


def run(options):
    entries = read_entries(options)
    raw = sum(len(value) for _, value, _ in entries)
    print(f"\n{len(entries)} completions, {mib(raw)}; server with --memory {options.memory}")

    server = Server(options)
    server.start()
    print(f"started on 127.0.0.1:{server.port}, data in {server.data}")
    print("\nkill -9 in the midst of writes:")
    known = load(server, entries, kill_after=len(entries) * 6 // 10)
    server.start()
    started = server.info()
    print(f"  restarted: ready in {started['start_duration_ms']} ms, "
          f"{started['start_replayed_records']} records replayed")
    read(server, known, "acknowledged before the kill, read back byte for byte")

    print("\nthe rest, and a stop in order:")
    done = {key for key, _, _ in known}
    load(server, [e for e in entries if e[0] not in done])
    stored = server.info()
    server.stop()
    server.start()

    await_warmth(server)

    print("\nhits, by tier:")
    show_tiers(server, entries[0][0])
    first = server.info()
    read(server, entries, "all, once")
    cold = hits(first, server.info())
    show_hits(cold)
    second = server.info()
    ask_again(server, entries)
    show_hits(hits(second, server.info()))
    summary(server.info(), stored, started, len(entries), cold)
    finish(server, options, entries[0][0])


def summary(info, stored, started, count, cold):
    # Compression is counted since a start: the last one that stored anything.
    ratio = stored["raw_bytes"] / max(1, stored["stored_bytes"])
    per_hit = cold["device_reads"] / max(1, cold["flash_hits"])
    on_disk = info["segment_bytes_on_disk"] + info["index_bytes_on_disk"]
    print(f"""
summary
  entries                    {count}, all read back byte for byte
  writes since the kill      {mib(stored['raw_bytes'])} to {mib(stored['stored_bytes'])} \
stored ({ratio:.2f}x, keys and metadata included)
  on disk                    {mib(on_disk)}, of that index {mib(info['index_bytes_on_disk'])}
  in DRAM                    {info['hot_entries']} entries, {mib(info['hot_bytes'])}
  device reads a flash hit   {per_hit:.3f}
  start after kill -9        {started['start_duration_ms']} ms, \
{started['start_replayed_records']} records replayed""")


def finish(server, options, key):
    if options.exit:
        server.stop()
        print(f"\nstopped{'' if server.temporary else '; the data stay in ' + server.data}")
        return
    server.keep = True
    pid = server.process.pid
    print(f"""
still serving; talk to it with any Redis client:
  redis-cli -p {server.port} GET {key}
  redis-cli -p {server.port} KACHEL.META {key}
  {options.bin}/kachel stats --connect 127.0.0.1:{server.port}
log: {server.log}
stop it:  kill {pid}{'' if not server.temporary else f'   (then: rm -r {server.home})'}""")


def main():
    parser = argparse.ArgumentParser(prog="quickstart", add_help=False, allow_abbrev=False)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--check", action="store_true")  # only look at the arguments
    parser.add_argument("--exit", action="store_true")
    parser.add_argument("--input")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data")
    parser.add_argument("--memory", default="24MiB")
    parser.add_argument("--entries", type=int, default=30000)
    options = parser.parse_args()
    if options.entries < 1:
        parser.error("--entries must be at least 1")
    if options.input and not os.path.isfile(options.input):
        parser.error(f"no such file: {options.input}")
    if options.check:
        return
    # Ends through the exit handlers, which end the server.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run(options)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
