"""The numbers: every one documented and every documented one there, by model, through a Prometheus."""

import json
import os
import re
import subprocess
import unittest

import harness
import prometheus
import yaml
from http_client import ON, Http, entry, metrics, port_of, samples

REPOSITORY = prometheus.REPOSITORY
OPENAI = json.dumps({"id": "c", "model": "gpt-4o-2024-08-06", "choices": [
    {"message": {"role": "assistant", "content": 'the "usage" of {"prompt_tokens": 1}'}}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}})
PRICES = ('[model."gpt-4o"]\nusd_per_million_input_tokens = 2.5\n'
          'usd_per_million_output_tokens = 10\n')


def read(*path):
    with open(os.path.join(REPOSITORY, *path)) as file:
        return file.read()


def busy(server):
    """Some of everything that is counted."""
    redis = server.client()
    for number in range(20):
        redis.set(f"key{number}", OPENAI)
        redis.execute_command("KACHEL.SET", f"mine{number}", "v", "MODEL", "tile-7b", "SUBJECT",
                              f"person{number}", "TOKENS", 10, 20, "COST", 5)
        redis.get(f"key{number}")
        redis.get(f"mine{number}")
    redis.get("none")
    redis.exists("key1")
    redis.expire("key1", 100)
    redis.delete("key2")
    with Http(server) as http:
        http.get(entry("key3"))
        http.get(entry("none"))


class Numbers(harness.TestCase):
    def serve(self, config=PRICES, *args):
        self.config = self.path("kachel.toml")
        with open(self.config, "w") as file:
            file.write(config)
        return self.server("--config", self.config, *ON, *args).start()

    def value(self, server, name, **labels):
        found = [number for each, has, number in samples(metrics(server))
                 if each == name and labels.items() <= has.items()]
        self.assertEqual(len(found), 1, (name, labels))
        return found[0]

    def test_the_document_has_what_is_there_and_nothing_else(self):
        server = self.serve(PRICES + "[tenant.default]\nrequests_per_second = 1_000_000\n")
        busy(server)
        text = metrics(server)
        types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
        labels = {}
        for name, has, _ in samples(text):
            family = re.sub("_(bucket|sum|count)$", "", name)
            labels.setdefault(family if types.get(family) == "histogram" else name,
                              set()).update(set(has) - {"le"})
        documented = {}
        for name, kind, names, unit, meaning in re.findall(
                r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) \| (.*?) \|$", read("docs", "metrics.md"),
                re.M):
            documented[name] = (kind, set() if names == "-" else set(names.split(", ")))
            self.assertTrue(unit and meaning, name)
        self.assertEqual(documented, {name: (types[name], labels.get(name, set()))
                                      for name in types})
        for name, kind in types.items():
            self.assertRegex(name, r"^(kachel|process)_[a-z0-9_]+$")
            self.assertEqual(kind == "counter", name.endswith("_total"), name)

    def test_every_number_of_the_engine_is_exported(self):
        header = read("engine", "stats.h")
        fields = re.findall(r"^  (?:std::\w+|bool|ErasureTrouble|StartStats|std::vector<\w+>) (\w+)"
                            r"(?: = [\w:]+)?;", header, re.M)
        self.assertGreater(len(fields), 90)
        source = read("server", "metrics_store.cc") + read("server", "metrics_serving.cc")
        missing = [name for name in fields
                   if not re.search(r"(\b(s|stats|start|bucket)\.|\bTenantUsage::)" + name + r"\b",
                                    source)]
        self.assertEqual(missing, ["bucket"])  # stands as its lifetime

    def test_promtool_finds_nothing_to_blame(self):
        if prometheus.missing():
            raise unittest.SkipTest(prometheus.missing())
        server = self.serve()
        busy(server)
        result = subprocess.run(["promtool", "check", "metrics"], input=metrics(server),
                                capture_output=True, text=True, timeout=harness.DEADLINE_S)
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))

    def test_values_are_attributed_and_priced(self):
        server = self.serve()
        redis = server.client()
        redis.set("k", OPENAI)
        redis.mset({"m": OPENAI})
        with Http(server) as http:
            http.call("PUT", entry("h"), OPENAI)
        with server.connect() as connection:
            connection.call("HELLO", 3)
            for key in ("k", "m", "h"):
                meta = connection.call("KACHEL.META", key)
                self.assertEqual((meta["kind"], meta["model"], meta["tokens_in"],
                                  meta["tokens_out"]),
                                 (b"completion", b"gpt-4o-2024-08-06", 1000, 100), key)
        model = {"tenant": "default", "model": "gpt-4o-2024-08-06"}
        self.assertEqual(self.value(server, "kachel_sets_total", **model), 3)
        self.assertAlmostEqual(self.value(server, "kachel_usd_computed_total", **model), 0.0105)
        self.assertEqual(self.value(server, "kachel_usd_saved_total", **model), 0)
        redis.get("k")
        redis.mget("k", "m")
        self.assertAlmostEqual(self.value(server, "kachel_usd_saved_total", **model), 0.0105)
        self.assertEqual(self.value(server, "kachel_tokens_saved_total", direction="input",
                                    **model), 3000)
        info = server.info("models")
        rows = [row for row in info.values() if row["model"] == "gpt-4o-2024-08-06"]
        self.assertEqual(rows[0]["hot_hits"], 3)
        self.assertAlmostEqual(float(rows[0]["usd_saved"]), 0.0105)
        stats = subprocess.run([harness.binary("kachel"), "stats", "--connect",
                                f"127.0.0.1:{server.port}", "--json"], capture_output=True,
                               text=True, timeout=harness.DEADLINE_S)
        self.assertIn("gpt-4o-2024-08-06", json.dumps(json.loads(stats.stdout)["models"]))
        self.assertIn("p99.9_us", json.dumps(json.loads(stats.stdout)["latency"]))

    def test_prices_are_read_again(self):
        server = self.serve("")
        redis = server.client()
        redis.execute_command("KACHEL.SET", "k", "v", "MODEL", "tile-7b", "TOKENS", 1000, 0)
        redis.get("k")
        self.assertEqual(self.value(server, "kachel_usd_saved_total", model="tile-7b"), 0)
        for text, result in (('[model.tile-7b]\nusd_per_million_input_tokens = "1"\n', "refused"),
                             ("[model.tile-7b]\nusd_per_million_input_tokens = 1\n", "done")):
            with open(self.config, "w") as file:
                file.write(text)
            server.process.send_signal(1)
            self.eventually(lambda: self.value(server, "kachel_policy_reloads_total",
                                               result=result) == 1, result)
        # The count may be there before the line is.
        self.eventually(lambda: "model tile-7b: added, 1 in, 0 out" in server.log_text(),
                        "the log says what has changed")
        self.assertIn(":2: [model.tile-7b] usd_per_million_input_tokens: write US dollars",
                      server.log_text())
        redis.get("k")
        self.assertAlmostEqual(self.value(server, "kachel_usd_saved_total", model="tile-7b"), 0.001)

    def test_labels_are_bounded_and_tell_no_secrets(self):
        server = self.serve()
        redis = server.client()
        for number in range(100):
            redis.execute_command("KACHEL.SET", f"secret-key{number}", OPENAI, "MODEL",
                                  f"m{number}", "SUBJECT", "secret-subject")
            redis.get(f"secret-key{number}")
        redis.execute_command("KACHEL.SET", "k", "v", "MODEL", 'a"}\n{b=' + "x" * 200)
        text = metrics(server)
        models = {has["model"] for name, has, _ in samples(text) if name == "kachel_sets_total"}
        self.assertEqual(len(models), 65)  # 64, and other
        self.assertEqual(self.value(server, "kachel_sets_total", model="other"), 37)
        self.assertTrue(all(re.fullmatch(r"[\w.:/@+-]{1,64}", model) for model in models))
        self.assertNotIn("secret", text)
        self.assertNotIn("secret", json.dumps(server.info("models")))


class Prometheus(harness.TestCase):
    def setUp(self):
        if prometheus.missing():
            raise unittest.SkipTest(prometheus.missing())
        super().setUp()

    def test_alert_rules(self):
        directory = os.path.dirname(prometheus.ALERTS)
        for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
            result = subprocess.run(["promtool", *command], cwd=directory, capture_output=True,
                                    text=True, timeout=harness.DEADLINE_S)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        rules = yaml.safe_load(read("docs", "prometheus", "alerts.yml"))["groups"][0]["rules"]
        tests = read("docs", "prometheus", "alerts_test.yml")
        for rule in rules:
            self.assertRegex(tests, rf"alertname: {rule['alert']}\s+exp_alerts:\s+- exp_labels")

    def test_everything_that_is_asked_has_an_answer(self):
        server = self.server(*ON).start()
        self.addCleanup(server.destroy)
        running = prometheus.Prometheus(self.directory, f"127.0.0.1:{port_of(server)}").start()
        self.addCleanup(running.stop)
        expressions = {prometheus.resolve(expression) for _, targets in prometheus.panels()
                       for expression, _ in targets}
        rules = yaml.safe_load(read("docs", "prometheus", "alerts.yml"))["groups"][0]["rules"]
        exported = set(re.findall(r"^# TYPE (\w+) ", metrics(server), re.M)) | {"up"}
        for expression in expressions | {rule["expr"] for rule in rules}:
            for name in re.findall(r"\b((?:kachel|process)_\w+|up)\b", expression):
                self.assertIn(name.removesuffix("_bucket"), exported, expression)
        # What an alert compares, without the comparison and the day before.
        expressions |= {re.split(r"\s(?:==|>|<)\s", re.sub(r"\[\d+[mh]\]", "[10s]", rule["expr"]))[0]
                        for rule in rules}
        self.assertGreater(len(expressions), 50)
        left = set(expressions)

        def all_answered():
            busy(server)
            left.difference_update({each for each in left if running.query(each)})
            return not left
        self.eventually(all_answered, left)
        self.assertEqual([alert["labels"]["alertname"]
                          for alert in running.ask("alerts")["alerts"]], [])


if __name__ == "__main__":
    harness.main()
