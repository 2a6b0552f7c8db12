"""Snapshots, stores made of them, and what those learn before they serve: the operator's way."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import harness
import http_client
from resp import Error

ENTRIES = 300


def value(i):
    return f"value of {i} ".encode() + os.urandom(2000).hex().encode()


class Tool(harness.TestCase):
    def kachel(self, *arguments, **environment):
        return subprocess.run(
            [harness.binary("kachel"), *arguments], capture_output=True, text=True,
            timeout=harness.DEADLINE_S, env={**os.environ, **environment})

    def ok(self, *arguments, **environment):
        done = self.kachel(*arguments, **environment)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def within(self, time_text):
        """Options of a server that lets what dies stay for so long."""
        path = self.path(f"erase-within-{time_text}.toml")
        with open(path, "w") as file:
            file.write(f'[tenant.default]\nerase_within = "{time_text}"\n')
        return ("--config", path)

    def at(self, server):
        return ("--connect", f"127.0.0.1:{server.port}")

    def fill(self, server, count=ENTRIES):
        values = [value(i) for i in range(count)]
        with server.connect() as connection:
            for i in range(count):
                self.assertEqual(connection.call("KACHEL.SET", f"k{i}", values[i], "SUBJECT",
                                                 f"person-{i % 10}"), "OK")
        return values

    def found(self, server, count=ENTRIES):
        with server.connect() as connection:
            return [connection.call("GET", f"k{i}") for i in range(count)]

    def snapshot(self, server, name, *options):
        made = json.loads(self.ok("snapshot", "create", name, "--json", *options,
                                  *self.at(server)))
        self.assertEqual(made["name"], name)
        return made["directory"]

    def audit_types(self, directory):
        leaves = self.ok("dump", "--data", directory, "audit", "--format", "jsonl")
        return [word for line in leaves.splitlines() for word in
                ("restore", "following", "caught_up", "doubt_accepted", "snapshot_deleted", "snapshot")
                if f'"{word}"' in line]


class Snapshots(Tool):
    def test_is_made_listed_checked_and_deleted(self):
        server = self.server().start()
        self.fill(server)
        text = self.ok("snapshot", "create", "nightly", *self.at(server))
        self.assertIn("nightly", text)
        directory = os.path.join(self.path("data"), "snapshots", "nightly")
        self.assertIn(directory, text)
        self.assertIn("nightly", self.ok("snapshot", "list", *self.at(server)))
        report = self.ok("snapshot", "verify", directory)
        self.assertIn("clean", report)
        # It is no store that somebody could begin to write to.
        code, output = self.run_kacheld("--data", directory, "--listen", "127.0.0.1:0")
        self.assertNotEqual(code, 0)
        self.assertIn("kachel restore", output)
        links = os.stat(os.path.join(directory, "segments",
                                     sorted(os.listdir(directory + "/segments"))[0])).st_nlink
        self.assertEqual(links, 2, "segments are links, not copies")
        self.ok("snapshot", "delete", "nightly", *self.at(server))
        self.assertFalse(os.path.exists(directory))
        self.assertIn("no snapshots", self.ok("snapshot", "list", *self.at(server)))

    def test_what_has_left_by_its_deadline_is_no_damage(self):
        server = self.server().start()
        self.fill(server)
        kept = self.snapshot(server, "kept", "--expires", "1h")
        due = self.snapshot(server, "due", "--expires", "10s")
        server.kill()  # so that nobody takes out of them what is due
        segments = sorted(os.listdir(os.path.join(kept, "segments")))
        for directory in (kept, due):
            shutil.rmtree(os.path.join(directory, "index"))
        os.remove(os.path.join(kept, "segments", segments[0]))
        done = self.kachel("verify", "--data", kept)
        self.assertEqual(done.returncode, 1)
        self.assertIn("index_missing", done.stdout)
        self.assertIn("segment_missing", done.stdout)
        end = time.monotonic() + harness.DEADLINE_S
        done = self.kachel("verify", "--data", due)
        while done.returncode != 3 and time.monotonic() < end:
            time.sleep(0.5)
            done = self.kachel("verify", "--data", due)
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        self.assertIn("by its deadline", done.stdout)
        self.assertNotIn("index_missing", done.stdout)
        os.remove(os.path.join(due, "segments", segments[0]))
        done = self.kachel("verify", "--data", due)
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)

    def test_wrong_names_and_words_are_told(self):
        server = self.server().start()
        for name in ("../x", "", "a b"):
            self.assertEqual(self.kachel("snapshot", "create", name, *self.at(server)).returncode, 2)
        self.ok("snapshot", "create", "one", *self.at(server))
        again = self.kachel("snapshot", "create", "one", *self.at(server))
        self.assertIn("of this name", again.stderr)
        self.assertNotEqual(self.kachel("snapshot", "delete", "two", *self.at(server)).returncode, 0)
        bad = self.kachel("snapshot", "create", "x", "--expires", "soon", *self.at(server))
        self.assertEqual(bad.returncode, 2)
        self.assertIn("--expires", bad.stderr)
        with server.connect() as connection:
            for words in (("KACHEL.SNAPSHOT", "MAKE"), ("KACHEL.SNAPSHOT", "READ", "one"),
                          ("KACHEL.ALIVE", "0"), ("KACHEL.ALIVE", "x", "0", "0" * 32, "5"),
                          ("KACHEL.DOUBT", "CONFIRM", "0", "0", "0" * 32, "-", "short"),
                          ("KACHEL.SNAPSHOT", "CREATE", "x", "PX", "0")):
                self.assertIsInstance(connection.call(*words), Error, words)
            self.assertIsInstance(
                connection.call("KACHEL.SNAPSHOT", "READ", "one", "../../key", "0", "10"), Error)
            self.assertIsInstance(
                connection.call("KACHEL.DOUBT", "ACCEPT", "REASON", "none is needed"), Error)

    def test_is_for_administrators(self):
        users = self.path("users")
        for name, flag in (("root", ["--admin"]), ("alice", [])):
            subprocess.run([harness.binary("kachel"), "user", "add", "--users", users, name, *flag,
                            "--password-stdin"], input="secret sesame\n", text=True, check=True,
                           capture_output=True)
        server = self.server("--users", users).start()
        refused = self.kachel("snapshot", "list", *self.at(server), KACHEL_AUTH="alice:secret sesame")
        self.assertNotEqual(refused.returncode, 0)
        self.ok("snapshot", "create", "one", *self.at(server), KACHEL_AUTH="root:secret sesame")
        wrong = self.kachel("snapshot", "list", *self.at(server), KACHEL_AUTH="root:wrong")
        self.assertNotEqual(wrong.returncode, 0)

    def test_goes_before_an_erase_is_due(self):
        server = self.server(*self.within("12s")).start()
        self.fill(server)
        self.snapshot(server, "one")
        with server.connect() as connection:
            receipt = connection.call("KACHEL.ERASE", "SUBJECT", "person-3")

            def is_reclaimed():
                text = connection.call("KACHEL.RECEIPT", receipt)
                return json.loads(text)["state"] == "reclaimed"

            self.eventually(is_reclaimed, "the erase is reclaimed")
        self.assertFalse(os.path.exists(os.path.join(server.data, "snapshots", "one")))
        grep = subprocess.run(["grep", "-rlF", "person-3", server.data], capture_output=True)
        self.assertEqual((grep.returncode, grep.stdout), (1, b""))

    def test_of_a_store_under_load_is_clean_each_time(self):
        server = self.server(*self.within("10s"), memory="32MiB").start()
        stop = threading.Event()

        def churn(seed):
            with server.connect() as connection:
                i = seed
                while not stop.is_set():
                    i = (i * 1103515245 + 12345) % 2**31
                    key = f"k{i % 500}"
                    if i % 7 == 0:
                        connection.call("DEL", key)
                    elif i % 97 == 0:
                        connection.call("KACHEL.ERASE", "SUBJECT", f"person-{i % 10}")
                    else:
                        connection.call("KACHEL.SET", key, os.urandom(i % 6000), "SUBJECT",
                                        f"person-{i % 10}", "PX", str(200 + i % 20000))

        threads = [threading.Thread(target=churn, args=(seed,)) for seed in (1, 2)]
        for thread in threads:
            thread.start()
        try:
            clean = 0
            end = time.monotonic() + harness.DEADLINE_S
            while clean < 4 and time.monotonic() < end:
                time.sleep(1)
                done = self.kachel("verify", *self.at(server))
                # Slower than what is in the snapshot is due: that is said, and is no finding.
                is_late = done.returncode == 3 and "0 findings" in done.stdout
                self.assertTrue(done.returncode == 0 or is_late, done.stdout + done.stderr)
                clean += done.returncode == 0
            self.assertGreater(clean, 0)
            listed = self.kachel("dump", *self.at(server), "--format", "jsonl", "--limit", "5")
            self.assertEqual(listed.returncode, 0, listed.stderr)
            self.assertTrue(listed.stdout)
            refused = self.kachel("dump", *self.at(server), "--reveal", "--reason", "case 1")
            self.assertEqual(refused.returncode, 2)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(self.ok("snapshot", "list", "--json", *self.at(server)).strip(), "[]")


class Restores(Tool):
    def restored(self, directory, *options, name="copy"):
        report = self.ok("restore", directory, "--data", self.path(name))
        self.assertIn("clean", report)
        return self.server(*http_client.ON, *options, data=name).start()

    def test_serves_nothing_in_doubt_and_all_that_is_alive_after(self):
        server = self.server(*self.within("1h")).start()
        values = self.fill(server)
        directory = self.snapshot(server, "one")
        with server.connect() as connection:
            receipt = connection.call("KACHEL.ERASE", "SUBJECT", "person-3")
            self.assertEqual(connection.call("DEL", "k1"), 1)
            connection.call("SET", "k2", "newer")
        copy = self.restored(directory, *self.within("12s"))
        self.assertEqual(self.found(copy), [None] * ENTRIES)
        with http_client.Http(copy) as client, copy.connect() as connection:
            ready = client.get("/readyz")
            self.assertEqual(ready.status, 503)
            self.assertEqual([r["code"] for r in ready.json()["reasons"]], ["in_doubt"])
            self.assertIn("kachel_in_doubt 1", client.get("/metrics").body.decode())
            self.assertEqual(connection.call("SET", "own", "value"), "OK")
            self.assertEqual(connection.call("GET", "own"), b"value")
        state = self.kachel("catch-up", *self.at(copy))
        self.assertEqual(state.returncode, 1, state.stderr)
        self.assertIn("is a copy made", state.stdout)
        copy.kill()
        copy.start()
        self.assertEqual(self.found(copy), [None] * ENTRIES, "nor after a crash")
        done = self.ok("catch-up", *self.at(copy), "--from", f"127.0.0.1:{server.port}")
        self.assertIn("32 entries erased", done)
        expected = [None if i % 10 == 3 or i in (1, 2) else values[i] for i in range(ENTRIES)]
        self.assertEqual(self.found(copy), expected)
        copy.kill()
        copy.start()
        self.assertEqual(self.found(copy), expected)
        with http_client.Http(copy) as client, copy.connect() as connection:
            self.assertEqual(client.get("/readyz").status, 200)
            self.assertEqual(connection.call("GET", "own"), b"value")
            self.assertEqual(json.loads(connection.call("KACHEL.RECEIPT", receipt) or "null"), None,
                             "the erase was another node's")
        self.assertIn("nothing is in doubt", self.ok("catch-up", *self.at(copy)))
        # Its bytes go as those of anything that was erased.
        self.eventually(
            lambda: subprocess.run(["grep", "-rqF", "person-3", copy.data]).returncode == 1,
            "the subject is gone from the copy")
        copy.stop()
        self.assertEqual([t for t in self.audit_types(copy.data) if t != "snapshot"],
                         ["restore", "caught_up"])
        self.assertIn("clean", self.ok("verify", "--data", copy.data))

    def test_catches_up_with_a_newer_copy_of_a_node_that_is_gone(self):
        server = self.server().start()
        values = self.fill(server)
        old = self.snapshot(server, "old")
        with server.connect() as connection:
            connection.call("KACHEL.ERASE", "SUBJECT", "person-7")
        self.snapshot(server, "new")
        server.kill()
        newer = os.path.join(server.data, "snapshots", "new")
        copy = self.restored(old)
        self.ok("catch-up", *self.at(copy), "--from-copy", newer)
        expected = [None if i % 10 == 7 else values[i] for i in range(ENTRIES)]
        self.assertEqual(self.found(copy), expected)
        copy.stop()
        # The other way round it knows less.
        late = self.restored(newer, name="late")
        refused = self.kachel("catch-up", *self.at(late), "--from-copy", old)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("knows less", refused.stderr)
        self.assertEqual(self.found(late), [None] * ENTRIES)

    def test_somebody_may_answer_for_the_doubt(self):
        server = self.server().start()
        values = self.fill(server, 20)
        copy = self.restored(self.snapshot(server, "one"))
        refused = self.kachel("catch-up", *self.at(copy), "--accept-doubt")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--reason", refused.stderr)
        self.ok("catch-up", *self.at(copy), "--accept-doubt", "--reason", "the old node is lost")
        self.assertEqual(self.found(copy, 20), values)
        copy.stop()
        self.assertIn("doubt_accepted", self.audit_types(copy.data))

    def test_other_stores_and_wrong_directories_are_refused(self):
        server = self.server().start()
        other = self.server(data="other").start()
        self.fill(server, 20)
        directory = self.snapshot(server, "one")
        copy = self.restored(directory)
        refused = self.kachel("catch-up", *self.at(copy), "--from", f"127.0.0.1:{other.port}")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("another store", refused.stderr)
        doubtful = self.kachel("catch-up", *self.at(copy), "--from", f"127.0.0.1:{copy.port}")
        self.assertEqual(doubtful.returncode, 2)
        full = self.kachel("restore", directory, "--data", other.data)
        self.assertEqual(full.returncode, 2, full.stderr)
        self.assertIn("not empty", full.stderr)
        none = self.kachel("restore", other.data, "--data", self.path("new"))
        self.assertEqual(none.returncode, 2, none.stderr)
        self.assertIn("no snapshot", none.stderr)
        gone = self.kachel("restore", self.path("nowhere"), "--data", self.path("newer"))
        self.assertEqual(gone.returncode, 10)
        segment = sorted(os.listdir(os.path.join(directory, "segments")))[0]
        damaged = self.path("damaged")
        subprocess.run(["cp", "-r", directory, damaged], check=True)
        os.truncate(os.path.join(damaged, "segments", segment), 100)
        short = self.kachel("restore", damaged, "--data", self.path("third"))
        self.assertEqual(short.returncode, 2, short.stderr)
        self.assertIn(segment, short.stderr)


class OldDisk(Tool):
    def test_a_directory_that_moves_to_another_host_opens_as_it_is(self):
        server = self.server("--threads", "1", memory="128MiB").start()
        values = self.fill(server, 500)
        with server.connect() as connection:
            connection.call("KACHEL.ERASE", "SUBJECT", "person-3")
        server.kill()
        alive = [None if i % 10 == 3 else each for i, each in enumerate(values)]
        # Other memory, other processors, no io_uring, another path; as by hand, with no word to it.
        moved = self.path("moved")
        subprocess.run(["cp", "-a", "--sparse=always", server.data, moved], check=True)
        there = self.server("--threads", "3", "--no-io-uring", data="moved", memory="32MiB").start()
        self.assertEqual(self.found(there, 500), alive)
        info = there.info()
        self.assertEqual((info["in_doubt"], info["damaged_reads"], info["start_clean"]), (0, 0, 0))
        # Not every file system has files without names.
        self.eventually(lambda: "of the device: a sync takes" in there.log_text() or
                        "the device was not probed" in there.log_text(), "the device was probed")
        if "of the device" in there.log_text():
            self.assertGreater(there.info()["device_sync_us"], 0)
        there.stop()
        self.ok("verify", "--data", moved)


class Clones(Tool):
    def clone(self, server, *options, data="copy"):
        return [harness.binary("kachel"), "clone", "--from", f"127.0.0.1:{server.port}", "--data",
                self.path(data), *options]

    def test_a_clone_has_what_the_other_has_and_survives_what_is_killed(self):
        server = self.server().start()
        values = self.fill(server, 2000)
        # Cut off: the clone, then the node that it is made of.
        begun = subprocess.Popen(self.clone(server, "--rate", "1MiB"), stderr=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL)
        segments = os.path.join(self.path("copy"), "segments")
        self.eventually(
            lambda: os.path.isdir(segments) and any(
                os.path.getsize(os.path.join(segments, name)) > 0 for name in os.listdir(segments)),
            "the clone has begun")
        begun.send_signal(signal.SIGKILL)
        begun.wait()
        code, output = self.run_kacheld("--data", self.path("copy"), "--listen", "127.0.0.1:0")
        self.assertNotEqual(code, 0, "half a copy is no store")
        self.assertIn("unfinished-copy", output)
        begun = subprocess.Popen(self.clone(server, "--rate", "1MiB"), stderr=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL, text=True)
        port = server.port
        time.sleep(0.2)
        server.kill()
        self.assertNotEqual(begun.wait(), 0)
        self.assertIn("goes on from here", begun.stderr.read())
        begun.stderr.close()
        server.port_wanted = port
        again = server.start()
        done = subprocess.run(self.clone(again), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("clean", done.stdout)
        self.assertEqual(self.ok("snapshot", "list", "--json", *self.at(again)).strip(), "[]")
        copy = self.server(data="copy").start()
        self.ok("catch-up", *self.at(copy), "--from", f"127.0.0.1:{again.port}")
        self.assertEqual(self.found(copy, 2000), values)

    def begin_in_stages(self, server, copy, *options):
        """A clone beside which `copy` may be started, and is."""
        begun = subprocess.Popen(
            self.clone(server, "--connect", f"127.0.0.1:{copy.port_wanted}", "--json", *options),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(begun.stderr.close)
        self.addCleanup(begun.stdout.close)
        self.addCleanup(begun.wait)
        self.addCleanup(begun.kill)
        if copy.process is None:
            self.read_until(begun, "can_start")
            copy.start()
        self.read_until(begun, "serving")
        return begun

    def read_until(self, process, kind):
        for line in process.stdout:
            told = json.loads(line)
            if told["type"] == kind:
                return told
        self.fail(f"no line \"{kind}\": {process.stderr.read()}")

    def test_a_clone_serves_before_it_is_complete(self):
        server = self.server(*self.within("1h")).start()
        values = self.fill(server, 2000)
        copy = self.server(data="copy")
        with socket.create_server(("127.0.0.1", 0)) as chosen:
            copy.port_wanted = chosen.getsockname()[1]
        begun = self.begin_in_stages(server, copy, "--rate", "1MiB")
        self.eventually(lambda: any(self.found(copy, 2000)), "something has come")
        info = copy.info()
        self.assertEqual((info["in_doubt"], info["follows_source"], info["damaged_reads"]),
                         (0, 1, 0))
        self.assertGreater(info["arriving_segments"], 0)
        for mine, theirs in zip(self.found(copy, 2000), values):
            self.assertIn(mine, (None, theirs))
        self.assertIn("still being copied",
                      self.kachel("snapshot", "create", "early", *self.at(copy)).stderr)
        # What the other erases meanwhile is gone here soon after.
        with server.connect() as connection:
            connection.call("KACHEL.ERASE", "SUBJECT", "person-3")
        self.eventually(lambda: not any(self.found(copy, 2000)[3::10]), "it is erased here, too")
        # Cut off: the clone, and its kacheld.
        begun.kill()
        copy.kill()
        offline = self.kachel("verify", "--data", copy.data)
        self.assertEqual(offline.returncode, 11, offline.stdout + offline.stderr)
        self.assertIn("still being made", offline.stderr)
        copy.start()
        self.assertFalse(any(self.found(copy, 2000)), "nobody has told it what is alive")
        # Then the node that it is made of.
        begun = self.begin_in_stages(server, copy, "--rate", "1MiB")
        server.port_wanted = server.port
        server.kill()
        self.assertNotEqual(begun.wait(), 0)
        self.assertIn("goes on from here", begun.stderr.read())
        server.start()
        done = subprocess.run(
            self.clone(server, "--connect", f"127.0.0.1:{copy.port}", "--replace"),
            capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for word in ("caught up", "drained", "clean"):
            self.assertIn(word, done.stdout)
        alive = [None if i % 10 == 3 else each for i, each in enumerate(values)]
        self.assertEqual(self.found(copy, 2000), alive)
        info = copy.info()
        self.assertEqual((info["arriving_segments"], info["damaged_reads"]), (0, 0))
        self.assertFalse(os.path.exists(os.path.join(copy.data, "arriving")))
        self.assertEqual(server.info()["draining"], 1)
        self.assertEqual(self.ok("snapshot", "list", "--json", *self.at(server)).strip(), "[]")
        copy.stop()
        self.ok("verify", "--data", copy.data)
        for event in ("restore", "following", "caught_up"):
            self.assertIn(event, self.audit_types(copy.data))

    def test_a_clone_that_serves_needs_to_know_where(self):
        server = self.server().start()
        self.fill(server, 20)
        self.assertEqual(subprocess.run(self.clone(server, "--replace"),
                                        capture_output=True).returncode, 2)
        other = self.server(data="other").start()
        done = subprocess.run(self.clone(server, "--connect", f"127.0.0.1:{other.port}"),
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertIn("another store", done.stderr)


if __name__ == "__main__":
    harness.main()
