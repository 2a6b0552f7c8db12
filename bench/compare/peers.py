"""The servers that are compared: each on a free port of the loopback, in a directory of its own, and
stopped by its pid. All of them have pid, port, protocol and stop()."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time

from common import REPOSITORY, Failed

sys.path.append(os.path.join(REPOSITORY, "tests", "integration"))

import harness  # noqa: E402

READY_DEADLINE_S = 30


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        return chosen.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Peer:
    """A process that serves; what it said is in `directory`/log until stop() removes both."""

    protocol = "redis"

    def __init__(self, directory):
        self.directory = directory
        self.port = free_port()
        os.makedirs(directory)
        self.launch()

    def launch(self):
        """On what is in its directory, and at the port it had."""
        with open(os.path.join(self.directory, "log"), "wb") as log:
            try:
                self.process = subprocess.Popen(
                    self.command(), cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    preexec_fn=harness.die_with_parent)
            except FileNotFoundError:
                raise Failed(f"{self.command()[0]} is missing: run with --install, or "
                             "tools/install bench peers") from None
        self.wait_ready()

    @property
    def pid(self):
        return self.process.pid

    def wait_ready(self):
        end = time.monotonic() + READY_DEADLINE_S
        while not answers(self.port):
            if self.process.poll() is not None or time.monotonic() > end:
                with open(os.path.join(self.directory, "log"), errors="replace") as log:
                    said = log.read()[-500:]
                self.stop()
                raise Failed(f"{self.command()[0]} does not serve: {said}")
            time.sleep(0.02)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()  # its files are not needed any more
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class Redis(Peer):
    name = "redis"

    def __init__(self, directory, appendfsync=None):
        self.appendfsync = appendfsync
        super().__init__(directory)

    def command(self):
        aof = ["--appendonly", "no"]
        if self.appendfsync:
            # No rewrite of the log while it is measured: that is in redis' favour.
            aof = ["--appendonly", "yes", "--appendfsync", self.appendfsync,
                   "--auto-aof-rewrite-percentage", "0"]
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                "--dir", self.directory, "--daemonize", "no", *aof]


class Memcached(Peer):
    """With `extstore_bytes` values go to a file as soon as they can."""

    name = "memcached"
    protocol = "memcached"

    def __init__(self, directory, memory_mib, extstore_bytes=0, io_threads=1):
        self.memory_mib = memory_mib
        self.extstore_bytes = extstore_bytes
        self.io_threads = io_threads
        super().__init__(directory)

    def command(self):
        more = []
        if self.extstore_bytes:
            size = f"{max(2, -(-self.extstore_bytes // (1 << 30)))}G"
            more = ["-o", f"ext_path={self.directory}/extstore:{size},ext_item_size=512,"
                          f"ext_item_age=0,ext_threads={self.io_threads},ext_recache_rate=0"]
        root = ["-u", "root"] if os.geteuid() == 0 else []
        return ["memcached", "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-t", "1",
                "-m", str(self.memory_mib), *root, *more]


class Echo(Peer):
    name = "echo"

    def __init__(self, directory, value_bytes):
        self.value_bytes = value_bytes
        super().__init__(directory)

    def command(self):
        return [harness.binary("compare_echo_server"), str(self.value_bytes)]

    def wait_ready(self):
        end = time.monotonic() + READY_DEADLINE_S
        path = os.path.join(self.directory, "log")
        while True:
            with open(path) as log:
                said = log.read()
            if said.endswith("\n") and said.strip().isdigit():
                self.port = int(said)
                return
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise Failed(f"compare_echo_server does not serve: {said}")
            time.sleep(0.02)


class Kachel:
    """A kacheld on `directory`, one thread for clients, as the peers have."""

    name = "kachel"
    protocol = "redis"

    def __init__(self, directory, *args, memory="256MiB", durability="group"):
        self.directory = directory
        self.server = harness.Server(directory, "--threads", "1", *args, memory=memory,
                                     durability=durability)
        self.start()

    @property
    def pid(self):
        return self.server.process.pid

    @property
    def port(self):
        return self.server.port

    def start(self):
        try:
            self.server.start()
        except AssertionError as error:
            raise Failed(str(error)) from None
        except FileNotFoundError:
            raise Failed(f"no kacheld in {harness.BIN_DIR}: build it, or name its directory with "
                         "--bin") from None

    def end_orderly(self):
        code = self.server.stop()
        if code != 0:
            raise Failed(f"kacheld ended with {code}: {self.server.log_text()}")

    def info(self):
        return self.server.info()

    def stop(self):
        self.server.destroy()
        shutil.rmtree(self.directory, ignore_errors=True)


def stop_all(peers):
    for peer in peers:
        peer.stop()


def stop_by_signal(*_):
    """Ctrl-C and SIGTERM unwind, so that servers and files are gone afterwards."""
    raise Failed("stopped by a signal")


def heed_signals():
    signal.signal(signal.SIGTERM, stop_by_signal)
    signal.signal(signal.SIGINT, stop_by_signal)
