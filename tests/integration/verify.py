"""`kachel verify`, `dump` and `repair` on what a real server has left: clean after a stop and a kill,
and every kind of damage is found.

KACHEL_FLIPS is how many single bytes are changed (300 in CI, 20,000 for a long run)."""

import base64
import json
import os
import shutil
import subprocess
import time

import harness

CANARY = "canary-person-51c2"
FLIPS = os.environ.get("KACHEL_FLIPS", "60" if harness.SANITIZED else "300")


class StoreTest(harness.TestCase):
    ENTRIES = 3000

    def start(self):
        config = self.path("kachel.toml")
        with open(config, "w") as file:
            file.write('[tenant.default]\nerase_within = "10s"\n')
        return self.server("--config", config, "--capacity", "128MiB").start()

    def fill(self, server):
        with server.client() as client:
            pipe = client.pipeline(transaction=False)
            for i in range(self.ENTRIES):
                who = CANARY if i % 50 == 0 else f"person-{i % 40}"
                key = f"key-{i % (self.ENTRIES * 3 // 4)}"
                value = f"answer {i} of the model, " + "the tile keeps heat for days " * (i % 30)
                expiry = ("EX", "7200") if i % 4 == 0 else ()
                pipe.execute_command("KACHEL.SET", key, value, *expiry, "SUBJECT", who,
                                     "MODEL", "tile-7b")
            pipe.execute()
            for i in range(0, self.ENTRIES // 2, 37):
                client.delete(f"key-{i}")
            client.expire("key-5", 600)
            client.execute_command("KACHEL.HOLD", "SUBJECT", "person-1", "REASON", "case 1")

    def kachel(self, *arguments, code=0):
        done = subprocess.run([harness.binary("kachel"), *arguments], capture_output=True,
                              text=True, check=False, timeout=harness.DEADLINE_S)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def verify(self, data, *arguments, code=0, scope="full"):
        """(findings by name, summary)"""
        output = self.kachel("verify", scope, "--data", data, "--json", *arguments, code=code)
        lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        self.assertEqual(lines[0]["type"], "header")
        self.assertEqual(lines[-1]["type"], "summary", output)
        self.assertEqual(lines[-1]["exit_code"], code)
        findings = {}
        for line in lines:
            if line["type"] == "finding" and line["severity"] != "note":
                findings.setdefault(line["finding"], []).append(line)
                self.assertTrue(line["cost"] and line["remedy"] and line["message"], line)
        return findings, lines[-1]

    def store(self):
        """Of a server that was stopped in order."""
        server = self.start()
        self.fill(server)
        self.assertEqual(server.stop(), 0, server.log_text())
        return server

    def digest(self, data):
        """Of all files, with their names and times."""
        found = {}
        for directory, _, names in os.walk(data):
            for name in names:
                path = os.path.join(directory, name)
                with open(path, "rb") as file:
                    found[path] = (file.read(), os.stat(path).st_mtime_ns)
        return found


class Clean(StoreTest):
    def test_it_is_clean_after_a_stop_and_nothing_is_written(self):
        server = self.store()
        before = self.digest(server.data)
        for scope in ("quick", "full", "index", "segments"):
            findings, summary = self.verify(server.data, scope=scope)
            self.assertEqual(findings, {}, scope)
            self.assertTrue(summary["complete"])
            self.assertGreater(summary["checked_bytes"], 0)
            self.assertEqual(summary["checked_bytes"], summary["expected_bytes"])
        self.kachel("dump", "--data", server.data, "--state", "all")
        self.assertEqual(self.digest(server.data), before)

    def test_it_is_clean_after_kills(self):
        server = self.start()
        for _ in range(3):
            self.fill(server)
            server.kill()
            findings, _ = self.verify(server.data)
            self.assertEqual(findings, {})
            server.start()
        server.stop()
        self.assertEqual(self.verify(server.data)[0], {})

    def test_exit_codes(self):
        server = self.start()
        self.fill(server)
        self.kachel("verify", "full", "--data", server.data, code=11)
        self.kachel("dump", "--data", server.data, code=11)
        server.stop()
        self.kachel("verify", "--data", server.data)
        self.kachel("verify", code=2)
        self.kachel("verify", "full", "--data", server.data, "--sample", "0%", code=2)
        self.kachel("verify", "full", "--data", self.path("nowhere"), code=10)
        os.mkdir(self.path("empty"))
        self.kachel("verify", "full", "--data", self.path("empty"), code=10)
        self.kachel("verify", "full", "--data", server.data, "--max-duration", "1ms", code=3)
        os.chmod(os.path.join(server.data, "key"), 0o644)
        self.assertIn("key_readable", self.verify(server.data, code=1)[0])
        os.remove(os.path.join(server.data, "key"))
        self.kachel("verify", "full", "--data", server.data, code=12)

    def test_a_run_that_is_cut_off_goes_on(self):
        server = self.store()
        resume = self.path("resume")
        whole = self.verify(server.data)[1]
        runs = 0
        while True:
            runs += 1
            done = subprocess.run(
                [harness.binary("kachel"), "verify", "full", "--data", server.data, "--json",
                 "--resume", resume, "--max-duration", "2s", "--rate", "300KiB"],
                capture_output=True, text=True, check=False)
            summary = json.loads(done.stdout.splitlines()[-1])
            if done.returncode == 0:
                break
            self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
            self.assertTrue(os.path.exists(resume))
            self.assertLess(runs, 100)
        self.assertGreater(runs, 1)
        self.assertFalse(os.path.exists(resume))
        self.assertEqual(summary["records"], whole["records"])
        self.assertEqual(summary["checked_bytes"], whole["checked_bytes"])


class Damage(StoreTest):
    def setUp(self):
        super().setUp()
        self.whole = self.store().data

    def copy(self):
        data = self.path("copy")
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(self.whole, data)
        return data

    def segments(self, data):
        """Paths of those with records, the largest first."""
        directory = os.path.join(data, "segments")
        paths = [os.path.join(directory, name) for name in os.listdir(directory)]
        return sorted((path for path in paths if os.path.getsize(path) > 0),
                      key=os.path.getsize, reverse=True)

    def test_single_bytes(self):
        tests = os.path.join(harness.BIN_DIR, "..", "tests")
        done = subprocess.run([os.path.join(tests, "flip_bytes"), self.copy(), FLIPS],
                              capture_output=True, text=True, check=False)
        print(done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_truncations(self):
        for part in (0.0, 0.3, 0.7, 0.99):
            data = self.copy()
            path = self.segments(data)[0]
            os.truncate(path, int(os.path.getsize(path) * part))
            self.verify(data, code=1)
        for name in ("superblock", "key", "audit/tail", "audit/checkpoint", "audit/checkpoints",
                     "audit/signing.pub"):
            data = self.copy()
            path = os.path.join(data, name)
            os.truncate(path, os.path.getsize(path) - 10)
            self.verify(data, code=12 if name == "key" else 1)

    def test_segments_swapped_foreign_and_gone(self):
        data = self.copy()
        first, second = self.segments(data)[:2]
        os.rename(first, first + "x")
        os.rename(second, first)
        os.rename(first + "x", second)
        self.assertEqual(len(self.verify(data, code=1)[0]["misplaced_segment"]), 2)

        other = self.server(data="other").start()
        self.fill(other)
        other.stop()
        data = self.copy()
        shutil.copy(other.segments()[0], self.segments(data)[0])
        self.assertIn("foreign_segment", self.verify(data, code=1)[0])

        data = self.copy()
        os.remove(self.segments(data)[0])
        self.assertIn("segment_missing", self.verify(data, code=1)[0])

    def test_an_edited_audit_leaf(self):
        data = self.copy()
        path = os.path.join(data, "audit", "tail")
        with open(path, "rb") as file:
            text = file.read()
        with open(path, "wb") as file:
            file.write(text.replace(b"case 1", b"case 2"))
        self.assertIn("audit_log", self.verify(data, code=1)[0])

    def test_all_findings_are_listed(self):
        data = self.copy()
        with open(os.path.join(data, "notes.txt"), "w") as file:
            file.write("mine")
        with open(os.path.join(data, "superblock"), "r+b") as file:
            file.seek(200)
            file.write(b"x")
        with open(self.segments(data)[0], "r+b") as file:
            file.seek(os.path.getsize(file.name) // 3)
            file.write(b"damage")
        findings, _ = self.verify(data, code=1)
        self.assertIn("unknown_file", findings)
        self.assertIn("superblock_copy", findings)
        self.assertTrue({"record", "payload"} & set(findings), findings)

    def test_repair(self):
        data = self.copy()
        first, second = self.segments(data)[:2]
        shutil.copy(second, first)
        before = self.digest(data)
        said = self.kachel("repair", "--data", data, code=1)
        self.assertIn("set aside", said)
        self.assertIn("nothing was changed", said)
        self.assertEqual(self.digest(data), before)
        self.assertIn("done", self.kachel("repair", "--data", data, "--yes"))
        self.assertTrue(os.path.exists(os.path.join(data, "quarantine", os.path.basename(first))))
        server = self.server(data="copy").start()
        self.assertGreater(server.client().dbsize(), 0)
        server.stop()
        self.assertEqual(self.verify(data)[0], {})
        self.assertIn("nothing to repair", self.kachel("repair", "--data", data))


class Dump(StoreTest):
    def lines(self, data, *arguments):
        output = subprocess.run(
            [harness.binary("kachel"), "dump", "--data", data, "--format", "jsonl", *arguments],
            capture_output=True, text=True, check=True).stdout
        return [json.loads(line) for line in output.splitlines()]

    def test_live_entries_are_those_that_the_server_has(self):
        server = self.start()
        self.fill(server)
        count = server.client().dbsize()
        self.assertEqual(server.stop(), 0)
        live = self.lines(server.data)
        self.assertEqual(len(live), count)
        every = self.lines(server.data, "--state", "all")
        dead = self.lines(server.data, "--state", "dead")
        held = self.lines(server.data, "--state", "held")
        self.assertEqual(len(every), len(live) + len(dead) + len(held))
        text = json.dumps(every)
        self.assertNotIn("person-", text)
        about = self.lines(server.data, "--subject", "person-7")
        self.assertGreater(len(about), 0)
        self.assertLess(len(about), len(live))

    def test_what_the_index_has_not_flushed_before_a_kill_counts(self):
        server = self.start()
        with server.connect() as connection:
            for i in range(8):
                subject = "alice" if i == 7 else "bob"
                connection.call("KACHEL.SET", f"key-{i}", f"value {i}", "SUBJECT", subject)
            connection.call("DEL", "key-0")
            connection.call("SET", "key-1", "another value")
            # Not so soon that the server finds it over already, which would be a deletion.
            connection.call("PEXPIRE", "key-2", 500)
            connection.call("KACHEL.ERASE", "KEY", "key-3")
            connection.call("KACHEL.ERASE", "SUBJECT", "alice")
        time.sleep(0.6)
        server.kill()
        self.assertEqual(len(self.lines(server.data)), 4)
        states = [line["state"] for line in self.lines(server.data, "--state", "all")]
        self.assertEqual(sorted(states), ["expired", "fenced"] + ["pending"] * 4 +
                         ["superseded"] * 3)  # key-1 twice
        server.start()
        with server.connect() as connection:
            self.assertEqual(connection.call("SELECT", 1), "OK")
            connection.call("SET", "other", "1")
            self.assertEqual(connection.call("FLUSHDB"), "OK")
        server.kill()
        self.assertEqual(len(self.lines(server.data)), 4)

    def test_it_goes_on_where_it_stopped(self):
        server = self.store()
        whole = [line["place"] for line in self.lines(server.data)]
        seen, cursor = [], []
        while True:
            done = subprocess.run(
                [harness.binary("kachel"), "dump", "--data", server.data, "--format", "jsonl",
                 "--limit", "700", *cursor], capture_output=True, text=True, check=True)
            seen += [json.loads(line)["place"] for line in done.stdout.splitlines()]
            if "--cursor" not in done.stderr:
                break
            cursor = ["--cursor", done.stderr.split("--cursor ")[1].strip()]
        self.assertEqual(seen, whole)

    def test_keys_and_values_are_shown_for_a_reason_that_is_written_down(self):
        server = self.store()
        one = ("--key", "key-7")
        self.kachel("dump", "--data", server.data, *one, "--reveal", code=2)
        self.kachel("dump", "--data", server.data, *one, "--reveal", "--reason", "of key-7", code=2)
        shown = self.lines(server.data, *one, "--reveal", "--reason", "case 9")
        self.assertEqual(base64.b64decode(shown[0]["key_base64"]), b"key-7")
        self.assertIn(b"of the model", base64.b64decode(shown[0]["value_base64"]))
        leaf = json.loads(self.kachel("dump", "audit", "--data", server.data).splitlines()[-1])
        self.assertEqual((leaf["type"], leaf["reason"]), ("dump", "case 9"))
        self.assertEqual(leaf["filters"]["key"], shown[0]["key_hash"])
        self.kachel("verify", "full", "--data", server.data)
        record = self.kachel("dump", "record", shown[0]["place"], "--data", server.data)
        self.assertIn("checksums fit", record)
        self.assertNotIn("key-7", record)
        segment = shown[0]["place"].split(":")[0]
        self.assertIn("put", self.kachel("dump", "segment", segment, "--data", server.data))
        for part in ("index", "tombstones", "holds", "dictionaries"):
            self.kachel("dump", part, "--data", server.data)
        server.start()  # the leaf is nothing that a start minds
        self.assertEqual(server.stop(), 0)


class Erased(StoreTest):
    def test_what_a_receipt_says_is_gone_is_gone(self):
        server = self.start()
        self.fill(server)
        endpoint = f"127.0.0.1:{server.port}"
        name = server.client().execute_command("KACHEL.ERASE", "SUBJECT", CANARY).decode()
        early = self.path("early")
        with open(early, "w") as file:
            file.write(self.kachel("receipt", "get", name, "--connect", endpoint))
        before = self.path("before")

        def is_reclaimed():
            text = self.kachel("receipt", "get", name, "--connect", endpoint)
            with open(self.path("receipt"), "w") as receipt:
                receipt.write(text)
            return json.loads(text)["state"] == "reclaimed"

        server.kill()
        shutil.copytree(server.data, before)
        server.start()
        endpoint = f"127.0.0.1:{server.port}"
        self.eventually(is_reclaimed, "the erase is reclaimed")
        receipt = self.path("receipt")
        server.stop()
        _, summary = self.verify(server.data, "--receipt", receipt, "--subject", CANARY,
                                 scope="erasure")
        self.assertTrue(summary["complete"])
        # The copy from before has all of it: a receipt that says otherwise is found out.
        findings, _ = self.verify(before, "--receipt", receipt, "--subject", CANARY, code=4,
                                  scope="erasure")
        self.assertIn("erased_record", findings)
        self.assertIn("erased_text", findings)
        self.verify(before, "--receipt", early, code=3, scope="erasure")


if __name__ == "__main__":
    harness.main()
