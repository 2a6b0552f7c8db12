"""A real Prometheus for a test: Debian's, on a free port of loopback, in a directory of its own."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request

from harness import DEADLINE_S, die_with_parent

REPOSITORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
DASHBOARD = os.path.join(REPOSITORY, "docs", "grafana", "kachel.json")
ALERTS = os.path.join(REPOSITORY, "docs", "prometheus", "alerts.yml")


def missing():
    """Why there can be none here; empty otherwise."""
    absent = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]
    return f"no {' and no '.join(absent)}: tools/install test" if absent else ""


def panels():
    """[(panel, [(expression, legend)])] of the dashboard; variables still in them."""
    with open(DASHBOARD) as file:
        dashboard = json.load(file)
    return [(panel, [(each["expr"], each["legendFormat"]) for each in panel["targets"]])
            for panel in dashboard["panels"] if panel["type"] != "row"]


def resolve(expression, interval="10s", instance=".*"):
    """As Grafana would send it."""
    return expression.replace("$__rate_interval", interval).replace("$instance", instance)


class Prometheus:
    """Scrapes a target once a second and evaluates the alert rules."""

    def __init__(self, directory, target, rules=ALERTS):
        self.directory = directory
        self.config = os.path.join(directory, "prometheus.json")  # JSON is YAML
        with open(self.config, "w") as file:
            json.dump({
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": [os.path.abspath(rules)],
                "scrape_configs": [{"job_name": "kachel",
                                    "static_configs": [{"targets": [target]}]}]}, file)
        self.process = None

    def start(self):
        # A port that is free now; who takes it in between makes the start fail, and be tried again.
        for _ in range(5):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
            self.log = open(os.path.join(self.directory, "prometheus.log"), "wb")
            self.process = subprocess.Popen(
                ["prometheus", "--config.file", self.config, "--storage.tsdb.path",
                 os.path.join(self.directory, "tsdb"), "--web.listen-address",
                 self.url.removeprefix("http://"), "--storage.tsdb.retention.time", "1d"],
                stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                preexec_fn=die_with_parent)
            if self._answers():
                return self
            self.stop()
        raise AssertionError("Prometheus does not start:\n" + self.log_text())

    def _answers(self):
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.url + "/-/ready", timeout=5):
                    return True
            except OSError:
                time.sleep(0.05)
        return False

    def log_text(self):
        with open(self.log.name, errors="replace") as log:
            return log.read()[-5000:]

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(DEADLINE_S)
            self.process = None
            self.log.close()

    def ask(self, path, **query):
        url = f"{self.url}/api/v1/{path}?" + urllib.parse.urlencode(query)
        with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        return self.ask("query", query=expression)["result"]

    def query_range(self, expression, start, end, step):
        return self.ask("query_range", query=expression, start=start, end=end, step=step)["result"]
