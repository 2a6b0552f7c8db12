"""Client libraries that users have, unmodified, against kacheld.

The first argument is what is tested; KACHEL_CLIENTS_DIR is where `npm ci` was run. Skipped (exit
code 77) where the library or node is not there, and says so. What ran, with its version, must be
what docs/clients.md says was tested.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))

import harness  # noqa: E402
import redis  # noqa: E402

DIR = os.environ.get("KACHEL_CLIENTS_DIR", "build/dev/clients")
DOC = os.path.join(HERE, "..", "..", "docs", "clients.md")
OLDEST_NODE = 20
PACKAGES = ("package.json", "package-lock.json")


def run(command, **options):
    result = subprocess.run(command, capture_output=True, text=True, timeout=harness.DEADLINE_S,
                            stdin=subprocess.DEVNULL, **options)
    if result.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {result.returncode}:\n"
                             f"{result.stdout}\n{result.stderr}")
    return result.stdout


def require_node():
    if not shutil.which("node") or not shutil.which("npm"):
        raise unittest.SkipTest("node and npm are not installed: see docs/clients.md")
    version = run(["node", "--version"]).strip()
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        raise unittest.SkipTest(f"node is {version}: these libraries need {OLDEST_NODE} or later")


def install():
    """npm ci into the build directory, unless it has been done for this lock file."""
    require_node()
    os.makedirs(DIR, exist_ok=True)
    installed = os.path.join(DIR, "node_modules", ".installed")
    with open(os.path.join(HERE, "package-lock.json")) as lock:
        wanted = lock.read()
    if os.path.exists(installed):
        with open(installed) as lock:
            if lock.read() == wanted:
                return
    for name in PACKAGES:
        shutil.copy(os.path.join(HERE, name), DIR)
    run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=DIR)
    with open(installed, "w") as lock:
        lock.write(wanted)


def documented():
    """Client and version, as the table says."""
    with open(DOC) as doc:
        return dict(re.findall(r"^\| `([^`]+)` \| ([^ |]+) \|", doc.read(), re.MULTILINE))


class Clients(harness.TestCase):
    def start(self):
        self.running = self.server().start()

    def check_ran(self, output):
        ran = re.findall(r"^ran (\S+) (\S+)$", output, re.MULTILINE)
        self.assertEqual(len(ran), 1, output)
        name, version = ran[0]
        self.assertEqual(documented().get(name), version,
                         f"docs/clients.md says otherwise of {name}, which is {version}")

    def run_node(self, name):
        require_node()
        if not os.path.isdir(os.path.join(DIR, "node_modules")):
            raise unittest.SkipTest("the npm packages are not installed: the test clients.install does that")
        for script in (f"{name}.mjs", "lib.mjs"):  # beside node_modules, where node looks
            shutil.copy(os.path.join(HERE, script), DIR)
        self.start()
        self.check_ran(run(["node", f"{name}.mjs", str(self.running.port)], cwd=DIR))

    def test_ioredis(self):
        self.run_node("ioredis")

    def test_node_redis(self):
        self.run_node("node_redis")

    def test_keyv(self):
        self.run_node("keyv")

    def test_cache_manager(self):
        self.run_node("cache_manager")

    def test_langchain(self):
        self.run_node("langchain")

    def test_hiredis(self):
        program = harness.binary("hiredis_client")
        if not os.path.exists(program):
            raise unittest.SkipTest("libhiredis-dev was not installed when this was built")
        self.start()
        self.check_ran(run([program, str(self.running.port)]))

    def test_redis_py(self):
        self.start()
        with self.running.client(client_name="tests", decode_responses=True) as client:
            self.check_commands(client)
            self.check_optimistic_locking(client)
        self.check_ran(f"ran redis-py {redis.__version__}")

    def check_commands(self, client):
        self.assertEqual(client.hset("h", mapping={"a": "1", "b": "2"}), 2)
        self.assertEqual(client.hgetall("h"), {"a": "1", "b": "2"})
        self.assertEqual(client.hincrbyfloat("h", "a", 0.5), 1.5)
        self.assertEqual(dict(client.hscan_iter("h")), {"a": "1.5", "b": "2"})
        self.assertEqual(list(client.scan_iter(_type="hash")), ["h"])
        with self.assertRaisesRegex(redis.ResponseError, "WRONGTYPE"):
            client.get("h")
        self.assertTrue(client.json().set("j", "$", {"a": [1, None]}))
        self.assertEqual(client.json().get("j"), {"a": [1, None]})
        self.assertEqual(client.command_getkeys("HSET", "h", "f", "v"), ["h"])
        self.assertEqual(client.module_list(), [])
        self.assertGreater(client.memory_usage("h"), 0)
        with client.pipeline() as pipeline:
            pipeline.set("n", 1).incr("n").hget("h", "b")
            self.assertEqual(pipeline.execute(), [True, 2, "2"])

    def check_optimistic_locking(self, client):
        """Ten clients add to one number at once, each by reading and setting it."""
        client.set("n", 0)

        def add():
            with self.running.client() as one:
                for _ in range(20):
                    one.transaction(lambda p: self.set_next(p), "n")

        self.in_threads([add] * 10)
        self.assertEqual(client.get("n"), "200")

    @staticmethod
    def set_next(pipeline):
        value = int(pipeline.get("n"))
        pipeline.multi()
        pipeline.set("n", value + 1)

    def in_threads(self, tasks):
        failures = []

        def guarded(task):
            try:
                task()
            except Exception as error:  # shown below
                failures.append(error)

        threads = [threading.Thread(target=guarded, args=(task,)) for task in tasks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(harness.DEADLINE_S)
        self.assertEqual(failures, [])

    def test_redis_tools(self):
        """redis-cli and redis-benchmark."""
        self.start()
        cli = ["redis-cli", "-p", str(self.running.port)]
        self.assertEqual(run([*cli, "HSET", "h", "f", "v"]).strip(), "1")
        self.assertEqual(run([*cli, "-3", "--no-raw", "HGETALL", "h"]).strip(), '1# "f" => "v"')
        self.assertEqual(run([*cli, "--scan"]).strip(), "h")
        script = "MULTI\nSET k 1\nINCR k\nEXEC\n"
        output = subprocess.run(cli, input=script, capture_output=True, text=True,
                                timeout=harness.DEADLINE_S).stdout
        self.assertEqual(output.split(), ["OK", "QUEUED", "QUEUED", "OK", "2"])
        output = run(["redis-benchmark", "-p", str(self.running.port), "-q", "-n", "2000", "-P", "4",
                      "-t", "ping,set,get,incr,mset,hset"])
        self.assertNotIn("rror", output)
        version = run(["redis-cli", "--version"]).split()[1]
        self.check_ran(f"ran redis-tools {version}")


class Documented(unittest.TestCase):
    def test_the_packages_are_those_of_the_table(self):
        """Also where nothing can be installed."""
        with open(os.path.join(HERE, "package-lock.json")) as lock:
            packages = json.load(lock)["packages"]
        table = documented()
        for name in ("ioredis", "redis", "@keyv/redis", "cache-manager", "@langchain/redis"):
            self.assertEqual(table.get(name), packages[f"node_modules/{name}"]["version"], name)


if __name__ == "__main__":
    if sys.argv[1:] == ["install"]:
        try:
            install()
        except unittest.SkipTest as why:
            print(f"SKIPPED: {why}")
            sys.exit(harness.SKIPPED)
    else:
        harness.main()
