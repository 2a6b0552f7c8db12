"""Runs kacheld for a test: on a free port, in a directory of its own, never left behind.

KACHEL_BIN_DIR names the directory of the binaries (ctest sets it). Waits are bounded by
DEADLINE_S, which is generous because the sanitizers' builds are slow; nothing is timed.
"""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import redis

from resp import Connection

DEADLINE_S = 120
SKIPPED = 77  # ctest's SKIP_RETURN_CODE
SANITIZED = os.environ.get("KACHEL_SANITIZE", "") != ""
BIN_DIR = os.environ.get("KACHEL_BIN_DIR", "build/dev/bin")
READY = re.compile(r"ready to accept connections on 127\.0\.0\.1:(\d+)")
SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:")

_libc = ctypes.CDLL(None)


def binary(name):
    return os.path.join(BIN_DIR, name)


def die_with_parent():
    pr_set_pdeathsig = 1
    _libc.prctl(pr_set_pdeathsig, signal.SIGKILL)


class Server:
    """One data directory and the kacheld that runs on it, started and stopped at will."""

    def __init__(self, data, *args, memory="64MiB", durability="group", executable=None):
        self.data = data
        self.executable = executable or binary("kacheld")
        self.args = list(args)
        self.memory = memory
        self.durability = durability
        self.process = None
        self.port = None
        self.port_wanted = 0  # 0: a free one
        self.log = []

    def command(self):
        return [
            self.executable, "--data", self.data, "--listen", f"127.0.0.1:{self.port_wanted}",
            *([] if "--http" in self.args else ["--http", "off"]),
            "--memory", self.memory, "--durability", self.durability, *self.args,
        ]

    def start(self):
        """Returns once the server accepts connections."""
        return self.launch().wait_ready()

    def launch(self):
        """Returns as soon as the process runs."""
        assert self.process is None
        self.log = []
        self._ready = threading.Event()
        self.port = None
        self.process = subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, errors="replace", preexec_fn=die_with_parent)
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        return self

    def wait_ready(self):
        if not self._ready.wait(DEADLINE_S) or self.port is None:
            ended = self.process.poll()
            self.destroy()
            state = "still starting" if ended is None else f"ended with {ended}"
            raise AssertionError(f"kacheld did not become ready, {state}:\n" + self.log_text())
        return self

    def _read_log(self):
        with self.process.stderr as stream:
            for line in stream:
                self.log.append(line)
                match = READY.search(line)
                if match:
                    self.port = int(match.group(1))
                    self._ready.set()
        self._ready.set()  # ended: nobody needs to wait any longer

    def log_text(self):
        return "".join(self.log[-200:])

    def reap(self):
        """Waits for the end; the exit code. Fails on a sanitizer's report."""
        code = self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        self.process = None
        report = SANITIZER_REPORT.search("".join(self.log))
        if report:
            raise AssertionError("the server's sanitizer reported:\n" + "".join(self.log))
        return code

    def stop(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.reap()

    def kill(self):
        """kill -9. What was acknowledged must survive it."""
        ended = self.process.poll()
        self.process.kill()
        self.reap()
        if ended is not None:
            raise AssertionError(f"kacheld had ended before ({ended}):\n" + self.log_text())

    def destroy(self):
        """For clean-up after a test, whatever state it left."""
        if self.process is not None:
            self.process.kill()
            self.reap()

    def client(self, **options):
        options.setdefault("socket_timeout", DEADLINE_S)
        return redis.Redis(host="127.0.0.1", port=self.port, **options)

    def connect(self):
        return Connection(self.port, DEADLINE_S)

    def info(self, section=None):
        """INFO as a dictionary; redis-py turns numbers into numbers."""
        with self.client() as client:
            return client.info(section) if section else client.info()

    def counter(self, name):
        info = self.info()
        if name not in info:
            raise AssertionError(f"INFO has no {name}: {sorted(info)}")
        return info[name]

    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def segments(self):
        directory = os.path.join(self.data, "segments")
        return sorted(
            os.path.join(directory, name) for name in os.listdir(directory)
            if name.endswith(".seg"))


class TestCase(unittest.TestCase):
    """A test with a temporary directory, and servers that end with it."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="kachel-test-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def server(self, *args, data="data", **options):
        """A server on `data` of the test's directory, not started yet."""
        server = Server(self.path(data), *args, **options)
        self.addCleanup(server.destroy)
        return server

    def run_kacheld(self, *args):
        """Runs kacheld expecting it to end by itself: (exit code, stderr)."""
        if "--listen" in args and "--http" not in args:
            args = (*args, "--http", "off")  # or tests side by side would want one port
        result = subprocess.run(
            [binary("kacheld"), *args], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="replace", timeout=DEADLINE_S, preexec_fn=die_with_parent)
        self.assertIsNone(SANITIZER_REPORT.search(result.stderr), result.stderr)
        return result.returncode, result.stdout + result.stderr

    def eventually(self, condition, message):
        """Waits until `condition()` holds, within the deadline."""
        end = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > end:
                self.fail(f"not within {DEADLINE_S} s: {message}")
            time.sleep(0.01)


def main():
    """unittest.main(), except that a run in which every test was skipped exits with SKIPPED."""
    program = unittest.main(module="__main__", exit=False, verbosity=2)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    if result.testsRun == 0:
        sys.exit("no test ran")
    if len(result.skipped) == result.testsRun:
        for _, reason in result.skipped:
            print(f"skipped: {reason}")
        sys.exit(SKIPPED)
