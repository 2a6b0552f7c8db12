"""kachel bench: that it does what it says it did, against kacheld and against its peers."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import harness

KEYS = 500


class Bench(harness.TestCase):
    def bench(self, port, *arguments, **environment):
        connections = () if "--connections" in arguments else ("--connections", 7)
        return subprocess.run(
            [harness.binary("kachel"), "bench", "--connect", f"127.0.0.1:{port}",
             *map(str, (*connections, *arguments))],
            capture_output=True, text=True, timeout=harness.DEADLINE_S,
            env={**os.environ, **environment})

    def lines(self, port, *arguments, code=0):
        """The lines of --json, which all must be JSON."""
        done = self.bench(port, "--json", *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def phases(self, port, *arguments, code=0):
        """Those of the summary."""
        summary = self.lines(port, *arguments, code=code)[-1]
        self.assertEqual(summary["type"], "summary")
        return summary["phases"]

    def refused(self, port, code, text, *arguments, **environment):
        done = self.bench(port, *arguments, **environment)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertIn(text, done.stderr)
        return done

    def fake(self, answer, held_s=0):
        """A server that answers PING, and anything else with `answer`; None closes. The first such
        answer is held back for a time."""
        held = [held_s]
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def serve(connection):
            with connection, connection.makefile("rb") as stream:
                while True:
                    head = stream.readline()
                    if not head.startswith(b"*"):
                        return
                    words = []
                    for _ in range(int(head[1:])):
                        words.append(stream.read(int(stream.readline()[1:]) + 2)[:-2])
                    reply = b"+PONG\r\n" if words[0] == b"PING" else answer
                    if reply is None:
                        return
                    if reply is answer and held:
                        time.sleep(held.pop())
                    connection.sendall(reply)

        def accept():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=self.quietly, args=(serve, connection),
                                 daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return listener.getsockname()[1]

    def quietly(self, serve, connection):
        try:
            serve(connection)
        except OSError:
            pass


class Counts(Bench):
    def setUp(self):
        super().setUp()
        self.running = self.server().start()
        self.port = self.running.port

    def commands(self):
        return self.running.counter("total_commands_processed")

    def test_ops_are_exactly_that_many_commands(self):
        info = 1  # of the second call of commands()
        for loop in ((), ("--rate", "50000"), ("--threads", 3), ("--pipeline", 16),
                     ("--threads", 2, "--rate", "100000", "--pipeline", 5)):
            before = self.commands()
            phase, = self.phases(self.port, "--ops", 10_000, *loop)
            pings = 7
            self.assertEqual(phase["operations"], 10_000, loop)
            self.assertEqual(self.commands() - before, 10_000 + pings + info, loop)

    def test_load_stores_every_key_once(self):
        phase, = self.phases(self.port, "--phase", "load", "--keys", KEYS, "--threads", 3)
        self.assertEqual(phase["by_kind"]["set"], KEYS)
        with self.running.client() as client:
            self.assertEqual(client.dbsize(), KEYS)
            self.assertEqual(client.strlen("key:%012d" % (KEYS - 1)), 1024)

    def test_hits_are_the_servers(self):
        self.phases(self.port, "--phase", "load", "--keys", KEYS)
        before = self.running.info()
        phase, = self.phases(self.port, "--keys", 2 * KEYS, "--ops", 5000, "--mix", "get=3,del=1",
                             "--pipeline", 4)
        after = self.running.info()
        self.assertEqual(phase["hits"], after["keyspace_hits"] - before["keyspace_hits"])
        self.assertEqual(phase["misses"], after["keyspace_misses"] - before["keyspace_misses"])
        self.assertEqual(phase["hits"] + phase["misses"], phase["by_kind"]["get"])
        self.assertAlmostEqual(phase["hit_ratio"], phase["hits"] / phase["by_kind"]["get"])
        self.assertGreater(phase["hits"], 0)
        self.assertGreater(phase["misses"], 0)

    def test_the_lines_add_up(self):
        lines = self.lines(self.port, "--phase", "load,run,cold", "--keys", KEYS, "--ops", 20_000,
                           "--interval", "10ms")
        kinds = [line["type"] for line in lines]
        self.assertEqual(kinds.count("phase"), 3)
        self.assertEqual(kinds.count("summary"), 1)
        for phase in lines[-1]["phases"]:
            intervals = [line for line in lines
                         if line["type"] == "interval" and line["phase"] == phase["phase"]]
            for name in ("operations", "hits", "misses", "sent_bytes", "received_bytes"):
                self.assertEqual(sum(line[name] for line in intervals), phase[name], name)
            self.assertEqual(phase["latency"]["all"]["count"], phase["operations"])
            self.assertGreater(phase["own"]["cpu_us_per_op"], 0)
        load, run, cold = lines[-1]["phases"]
        self.assertEqual((load["operations"], run["hit_ratio"], cold["hit_ratio"]), (KEYS, 1, 0))

    def test_misses_are_filled_with_what_is_read_later(self):
        phase, = self.phases(self.port, "--keys", KEYS, "--ops", 3 * KEYS, "--mix", "get=1",
                             "--key-distribution", "sequential", "--fill-misses", "--check",
                             "--pipeline", 8)
        self.assertEqual(phase["misses"], phase["fills"])
        self.assertGreaterEqual(phase["fills"], KEYS)
        self.assertEqual(phase["operations"], 3 * KEYS + phase["fills"])
        self.assertEqual(phase["mismatches"], 0)
        again, = self.phases(self.port, "--keys", KEYS, "--ops", KEYS, "--mix", "get=1", "--check",
                             "--rate", "20000")
        self.assertEqual((again["hits"], again["mismatches"]), (KEYS, 0))

    def test_check_finds_another_value(self):
        values = ("--keys", KEYS, "--value-size", "0..3KiB", "--compressibility", "1")
        self.phases(self.port, "--phase", "load", *values)
        reads = ("--mix", "get=1", "--key-distribution", "sequential", "--ops", KEYS, "--check")
        phase, = self.phases(self.port, *values, *reads)
        self.assertEqual(phase["mismatches"], 0)
        with self.running.client() as client:
            client.append("key:%012d" % 77, "x")
        phase, = self.phases(self.port, *values, *reads, code=1)
        self.assertEqual(phase["mismatches"], 1)
        self.assertIn("key:%012d" % 77, " ".join(phase["warnings"]))

    def test_sets_have_their_times_to_live(self):
        self.phases(self.port, "--phase", "load", "--keys", KEYS, "--ttl", "1h..2h", "--ttl-share",
                    50)
        with self.running.client() as client:
            times = [client.ttl("key:%012d" % i) for i in range(KEYS)]
            timed = [time for time in times if time >= 0]
            self.assertGreater(len(timed), KEYS // 4)
            self.assertLess(len(timed), 3 * KEYS // 4)
            self.assertLessEqual(max(timed), 7200)
            self.assertGreater(min(timed), 3600 - harness.DEADLINE_S)
            self.phases(self.port, "--keys", KEYS, "--mix", "expire=1", "--ttl", "5h", "--ops",
                        KEYS, "--key-distribution", "sequential")
            self.assertGreater(client.ttl("key:%012d" % 1), 4 * 3600)

    def test_a_trace_and_a_corpus(self):
        trace = self.path("trace.jsonl")
        with open(trace, "w") as file:
            for i in range(600):
                file.write(json.dumps({"timestamp": i, "hash_ids": [i % 40, 1000 + i]}) + "\n")
        corpus = self.path("corpus.jsonl")
        with open(corpus, "w") as file:
            for i in range(100):
                file.write(json.dumps({"completion": f"answer {i} " * i}) + "\n")
        for loop in ((), ("--speed-up", 10)):
            phase, = self.phases(
                self.port, "--trace", trace, "--mix", "get=1", "--fill-misses", "--check",
                "--values", corpus, "--value-field", "completion", "--connections", 1,
                "--key-prefix", f"trace{len(loop)}:", *loop)
            self.assertEqual(phase["by_kind"]["get"], 1200)
            self.assertEqual(phase["fills"], 640)
            self.assertEqual(phase["mismatches"], 0)

    def test_a_sweep_is_a_run_for_each_rate(self):
        phases = self.phases(self.port, "--rate-sweep", "4000:20000:3", "--ops", 1000,
                             "--arrivals", "even", "--server-pid", self.running.process.pid)
        self.assertEqual([phase["wanted_ops_per_s"] for phase in phases], [4000, 12000, 20000])
        for phase in phases:
            self.assertEqual(phase["operations"], 1000)
            self.assertGreater(phase["server"]["cpu_us_per_op"], 0)
        table = self.bench(self.port, "--rate-sweep", "4000,8000", "--ops", 100).stdout
        self.assertIn("latency against load", table)

    def test_duration_ends_both_loops(self):
        for loop in ((), ("--rate", "1000")):
            phase, = self.phases(self.port, "--duration", "200ms", *loop)
            self.assertGreater(phase["operations"], 0)
            self.assertGreater(phase["seconds"], 0.1)


class OpenLoop(Bench):
    """What a server that holds its first answer back does to those who come meanwhile. The bounds
    are low ones, which no slow machine can miss."""

    RATE = ("--rate", 1000, "--arrivals", "even", "--connections", 1, "--mix", "get=1")

    def test_those_who_had_to_wait_are_charged_for_it(self):
        port = self.fake(b"$-1\r\n", held_s=0.5)
        phase, = self.phases(port, *self.RATE, "--ops", 200)
        self.assertEqual(phase["operations"], 200)
        # All are due within 200 ms, and none but the first began before 500 ms.
        self.assertGreaterEqual(phase["late_by_server"], 199)
        self.assertGreaterEqual(phase["latency"]["get"]["p50_us"], 300_000)
        self.assertEqual(phase["not_sent"], 0)

    def test_those_who_were_never_sent_are_counted(self):
        port = self.fake(b"$-1\r\n", held_s=0.5)
        phase, = self.phases(port, *self.RATE, "--duration", "200ms")
        self.assertEqual((phase["operations"], phase["not_sent"]), (1, 199))
        self.assertIn("never sent", " ".join(phase["warnings"]))

    def test_a_pipeline_is_room(self):
        port = self.fake(b"$-1\r\n", held_s=0.5)
        phase, = self.phases(port, *self.RATE, "--ops", 200, "--pipeline", 256)
        self.assertEqual(phase["late_by_server"], 0)
        self.assertGreaterEqual(phase["latency"]["get"]["p50_us"], 300_000)


class Failures(Bench):
    def test_nobody_there(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            self.refused(unused.getsockname()[1], 3, "cannot connect", "--ops", 1)

    def test_usage(self):
        self.refused(1, 2, "--mix", "--mix", "put=1")
        self.refused("", 2, "no address")
        self.refused(1, 2, "--help", "--no-such-option")

    def test_another_protocol(self):
        server = self.server().start()
        self.refused(server.port, 3, "memcached", "--protocol", "memcached", "--ops", 1)

    def test_authentication(self):
        users = self.path("users")
        subprocess.run([harness.binary("kachel"), "user", "add", "default", "--users", users,
                        "--password-stdin"], input="open-sesame-1001\n", text=True, check=True,
                       capture_output=True)
        server = self.server("--users", users).start()
        self.refused(server.port, 2, "KACHEL_AUTH", "--ops", 10)
        self.refused(server.port, 2, "WRONGPASS", "--ops", 10, "--user", "default", "--password", "x")
        for arguments, environment in ((("--password", "open-sesame-1001"), {}),
                                       (("--user", "default", "--password", "open-sesame-1001"),
                                        {}),
                                       ((), {"KACHEL_AUTH": "default:open-sesame-1001"})):
            done = self.bench(server.port, "--ops", 10, *arguments, **environment)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_errors_are_counted_by_their_first_word(self):
        port = self.fake(b"-OOM command not allowed\r\n")
        phase, = self.phases(port, "--ops", 100, code=1)
        self.assertEqual(phase["errors"], {"OOM": 100})
        self.assertIn("OOM command not allowed", " ".join(phase["warnings"]))

    def test_an_error_that_means_misuse_ends_it(self):
        port = self.fake(b"-NOPERM this user may not\r\n")
        self.refused(port, 2, "NOPERM this user may not", "--duration", "1h")

    def test_what_was_measured_before_an_interrupt_is_shown(self):
        server = self.server().start()
        process = subprocess.Popen(
            [harness.binary("kachel"), "bench", "--connect", f"127.0.0.1:{server.port}", "--json",
             "--duration", "1h", "--interval", "20ms"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        first = json.loads(process.stdout.readline())
        self.assertEqual(first["type"], "interval")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=harness.DEADLINE_S)
        self.assertEqual(process.returncode, 3)
        summary = json.loads(out.splitlines()[-1])
        self.assertGreater(summary["phases"][0]["operations"], 0)
        self.assertIn("interrupted", " ".join(summary["phases"][0]["warnings"]))

    def test_a_connection_that_is_closed_ends_it(self):
        self.refused(self.fake(None), 3, "closed the connection", "--duration", "1h")


class Restart(Bench):
    def test_the_hit_ratio_comes_back(self):
        server = self.server().start()
        port = server.port_wanted = server.port
        process = subprocess.Popen(
            [harness.binary("kachel"), "bench", "--connect", f"127.0.0.1:{port}", "--json",
             "--phase", "load,run,restart", "--keys", str(KEYS), "--ops", "3000", "--check",
             "--interval", "100ms"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        for line in process.stderr:
            if "waiting for" in line:
                break
        server.kill()
        server.start()
        out, errors = process.communicate(timeout=harness.DEADLINE_S)
        self.assertEqual(process.returncode, 0, out + errors)
        restart = json.loads(out.splitlines()[-1])["phases"][-1]
        self.assertEqual(restart["phase"], "restart")
        self.assertEqual(restart["mismatches"], 0)
        self.assertEqual(restart["restart"]["hit_ratio_before"], 1)
        self.assertGreater(restart["restart"]["first_answer_s"], 0)
        self.assertGreater(restart["restart"]["hit_ratio_back_s"], 0)

    def test_a_server_that_stays_is_not_waited_for_forever(self):
        server = self.server().start()
        self.refused(server.port, 3, "was not stopped", "--phase", "load,run,restart", "--keys",
                     10, "--ops", 100, "--restart-wait", "10ms")


class Peers(Bench):
    """The same against servers that kacheld is compared with, where they are installed."""

    def peer(self, name, *arguments):
        program = shutil.which(name)
        if program is None:
            self.skipTest(f"{name} is not installed")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [program, *(argument.replace("PORT", str(port)) for argument in arguments)],
            cwd=self.directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=harness.die_with_parent)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def answers():
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except OSError:
                return False
            return True

        self.eventually(answers, f"{name} accepts connections")
        return port

    def use(self, port, *arguments):
        load, run, cold = self.phases(
            port, "--phase", "load,run,cold", "--keys", KEYS, "--ops", 5000, "--check",
            "--pipeline", 4, "--value-size", "0..8KiB", "--compressibility", 1,
            "--mix", "get=80,set=20", *arguments)
        self.assertEqual(load["operations"], KEYS)
        self.assertEqual((run["operations"], run["hit_ratio"], run["mismatches"]), (5000, 1, 0))
        self.assertEqual(cold["hits"], 0)

    def test_redis(self):
        port = self.peer("redis-server", "--port", "PORT", "--bind", "127.0.0.1", "--save", "")
        self.use(port)
        self.use(port, "--rate", "20000", "--ttl", "1h")

    def test_memcached(self):
        port = self.peer("memcached", "-l", "127.0.0.1", "-p", "PORT", "-u", "nobody")
        self.use(port, "--protocol", "memcached")
        self.use(port, "--protocol", "memcached", "--rate", "20000", "--ttl", "1h")


if __name__ == "__main__":
    harness.main()
