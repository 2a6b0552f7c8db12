"""The drills of docs/runbook.md, run as they are written there."""

import os
import re
import shlex
import subprocess

import harness
import http_client
from resp import Error

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
OF_A_SERVER = ("drain", "catch-up", "snapshot")  # commands that take --connect


def drills():
    """{title: [[command, [expected lines]], ..]}"""
    found, title, block = {}, None, None
    with open(os.path.join(ROOT, "docs/runbook.md")) as file:
        for line in file.read().splitlines():
            if line.startswith("## "):
                title = line[3:]
                found[title] = []
            elif line == "```console":
                block = found[title]
            elif line == "```":
                block = None
            elif block is not None and line.startswith("$ "):
                block.append([line[2:], []])
            elif block is not None:
                block[-1][1].append(line)
    return found


def pattern(lines):
    """`...` alone is any lines, within a line any text."""
    parts = []
    for line in lines:
        if line == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*?".join(re.escape(piece) for piece in line.split("...")) + r"\n")
    return re.compile("".join(parts) + r"\Z")


class Drills(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.old = self.server(*http_client.ON, data="old")
        self.node = self.server(*http_client.ON, data="store")

    def replace(self, command):
        """As it is run here: other ports, other directories."""
        words = shlex.split(command)
        if words[0] == "kachel":
            words[0] = harness.binary("kachel")
            if words[1] in OF_A_SERVER and "--connect" not in words:
                words += ["--connect", "127.0.0.1:6380"]
        if words[0] == "redis-cli":
            words[1:1] = ["-p", str(self.node.port)]
        swaps = {"/var/lib/kachel/store": self.node.data, "/backup": self.path("backup"),
                 "/mnt/new/store": self.path("new"), "old:6380": f"127.0.0.1:{self.old.port}",
                 "127.0.0.1:6380": f"127.0.0.1:{self.node.port}"}
        if self.node.port:
            swaps["127.0.0.1:6381"] = f"127.0.0.1:{http_client.port_of(self.node)}"
        for written, meant in swaps.items():
            words = [word.replace(written, meant) for word in words]
        return words

    def run_drill(self, title, **before):
        """`before`: by a command's first words, with _ for spaces, what happens just before it."""
        steps = drills()[title]
        self.assertTrue(steps, title)
        for command, expected in steps:
            for words, act in before.items():
                if command.startswith(words.replace("_", " ")):
                    act()
            if command == "systemctl restart kacheld":
                self.assertEqual(self.node.stop(), 0)
                self.node.start()
                continue
            if command == "systemctl start kacheld":
                self.node.start()
                continue
            done = subprocess.run(self.replace(command), capture_output=True, text=True,
                                  timeout=harness.DEADLINE_S)
            said = (done.stdout + done.stderr).replace("\r", "")
            if said and not said.endswith("\n"):
                said += "\n"
            self.assertRegex(said, pattern(expected), f"{title}: $ {command}")

    def fill(self, server, entries=50, **options):
        with server.connect() as connection:
            for i in range(entries):
                self.assertEqual(connection.call(
                    "KACHEL.SET", f"k{i}", os.urandom(1000).hex(), "MODEL", "tile-7b", "SUBJECT",
                    f"person-{i % 5}"), "OK")

    def test_a_planned_restart(self):
        self.node.start()
        self.fill(self.node)
        self.run_drill("A planned restart")

    def test_a_node_is_replaced(self):
        self.old.start()
        self.fill(self.old)
        self.run_drill("A node is replaced")
        with self.node.connect() as connection:
            self.assertEqual(connection.call("DBSIZE"), 50)
            self.assertIsNotNone(connection.call("GET", "k1"))

    def test_a_node_is_lost(self):
        self.old.start()
        self.fill(self.old)
        subprocess.run([harness.binary("kachel"), "snapshot", "create", "nightly", "--connect",
                        f"127.0.0.1:{self.old.port}"], check=True, capture_output=True)
        os.mkdir(self.path("backup"))
        subprocess.run(["cp", "-r", os.path.join(self.old.data, "snapshots/nightly"),
                        self.path("backup")], check=True)
        self.old.kill()
        self.run_drill("A node is lost")
        with self.node.connect() as connection:
            self.assertIsNotNone(connection.call("GET", "k1"))

    def test_the_disk_fills_up(self):
        # What it is like without room: tests/integration/full_disk.py.
        self.node.start()
        self.fill(self.node)
        subprocess.run([harness.binary("kachel"), "snapshot", "create", "nightly", "--connect",
                        f"127.0.0.1:{self.node.port}"], check=True, capture_output=True)
        self.run_drill("The disk fills up")

    def test_the_disk_is_dying(self):
        self.node.start()
        self.fill(self.node)
        self.assertEqual(self.node.stop(), 0)
        path = self.node.segments()[0]
        with open(path, "r+b") as file:
            file.seek(30_000)
            byte = file.read(1)
            file.seek(30_000)
            file.write(bytes([byte[0] ^ 1]))
        self.node.start()
        self.run_drill("The disk is dying")

    def test_p99_rises(self):
        self.node.start()
        self.fill(self.node)
        self.run_drill("P99 rises")

    def test_the_hit_ratio_falls(self):
        self.node.start()
        self.fill(self.node)
        with self.node.connect() as connection:
            connection.call("GET", "k1")
            connection.call("GET", "nothing")
        self.run_drill("The hit ratio falls")

    def test_an_erasure_is_overdue(self):
        self.node.start()
        self.fill(self.node, 1)
        with self.node.connect() as connection:
            self.assertNotIsInstance(
                connection.call("KACHEL.HOLD", "SUBJECT", "person-0", "REASON", "case 1"), Error)
            connection.call("KACHEL.ERASE", "SUBJECT", "person-0")
        with http_client.Http(self.node) as client:
            self.eventually(lambda: b"blocked_by_hold" in
                            client.get("/v1/tenants/default/erasures").body, "the sweep is over")
        self.run_drill("An erasure is overdue, or at risk")

    def test_every_drill_is_run_and_every_name_is_known(self):
        titles = {title for title, steps in drills().items() if steps}
        with open(__file__) as file:
            text = file.read()
        for title in titles:
            self.assertIn(f'self.run_drill("{title}"', text)
        with open(os.path.join(ROOT, "docs/runbook.md")) as file:
            runbook = file.read()
        with open(os.path.join(ROOT, "docs/metrics.md")) as file:
            metrics = set(re.findall(r"`(kachel_\w+)`", file.read()))
        for name in re.findall(r"`(kachel_\w+)", runbook):
            self.assertIn(name, metrics)
        with open(os.path.join(ROOT, "docs/prometheus/alerts.yml")) as file:
            alerts = set(re.findall(r"alert: (\w+)", file.read()))
        for name in re.findall(r"`(Kachel[A-Z]\w+)`", runbook):
            self.assertIn(name, alerts)


if __name__ == "__main__":
    harness.main()
