"""Users and tenants: who may connect, and that nobody sees, counts or changes what is another's."""

import json
import os
import random
import re
import signal
import subprocess

import harness
from resp import Error

PASSWORDS = {"alice": "alice's password", "bob": "bob's password", "root": "root's password"}
# Of the connection, the clock or chance: their replies differ for reasons of their own.
OF_THE_CONNECTION = {
    "auth", "client", "command", "config", "hello", "info", "lolwut", "memory", "quit", "reset",
    "time", "wait", "slowlog", "shutdown",
}
# What differs between two runs of the same: ids, tokens, versions, the clock.
VOLATILE = re.compile(rb"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16}|\d{13}")


class TenantTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.users = self.path("users")
        for name in PASSWORDS:
            self.add_user(name, *(["--admin"] if name == "root" else []))

    def kachel_user(self, *args, text=""):
        return subprocess.run([harness.binary("kachel"), "user", *args, "--users", self.users],
                              input=text, capture_output=True, text=True,
                              timeout=harness.DEADLINE_S, preexec_fn=harness.die_with_parent)

    def add_user(self, name, *args, password=None):
        done = self.kachel_user("add", name, "--password-stdin", *args,
                                text=(password or PASSWORDS[name]) + "\n")
        self.assertEqual(done.returncode, 0, done.stderr)

    def start(self, *args, **options):
        return self.server("--users", self.users, *args, **options).start()

    def log_in(self, server, name, password=None):
        connection = server.connect()
        self.addCleanup(connection.close)
        self.assertEqual(connection.call("AUTH", name, password or PASSWORDS[name]), "OK")
        return connection


class Users(TenantTest):
    def test_real_clients_log_in(self):
        server = self.start()
        with server.client(username="alice", password=PASSWORDS["alice"]) as client:
            client.set("k", "of alice")
            self.assertEqual(client.get("k"), b"of alice")
        with server.client(username="bob", password=PASSWORDS["bob"]) as client:
            self.assertIsNone(client.get("k"))
        shown = subprocess.run(
            ["redis-cli", "-p", str(server.port), "--user", "alice", "--pass",
             PASSWORDS["alice"], "--no-auth-warning", "GET", "k"],
            capture_output=True, text=True, timeout=harness.DEADLINE_S)
        self.assertEqual(shown.stdout.strip(), "of alice")

    def test_the_tools_know_tenants_by_name(self):
        server = self.start()
        for name in ("alice", "bob"):
            for i in range(1 if name == "alice" else 3):
                self.assertEqual(self.log_in(server, name).call("SET", f"k{i}", "v"), "OK")
        server.stop()

        def kachel(*args):
            return subprocess.run([harness.binary("kachel"), *args, "--data", server.data],
                                  capture_output=True, text=True, timeout=harness.DEADLINE_S)
        for name, count in (("alice", 1), ("bob", 3), ("default", 0)):
            shown = kachel("dump", "--tenant", name, "--format", "jsonl")
            self.assertEqual((shown.returncode, shown.stderr), (0, ""))
            entries = [json.loads(line) for line in shown.stdout.splitlines()]
            self.assertEqual(len(entries), count)
            for number in {str(entry["tenant"]) for entry in entries}:
                again = kachel("dump", "--tenant", number, "--format", "jsonl")
                self.assertEqual(again.stdout, shown.stdout)
            self.assertEqual(kachel("verify", "index", "--tenant", name).returncode, 0)
        for command in (("dump",), ("verify", "index")):
            refused = kachel(*command, "--tenant", "carol")
            self.assertEqual(refused.returncode, 2)
            self.assertRegex(refused.stderr, "no 'carol'; there are default, .*alice")
        os.remove(os.path.join(server.data, "tenants"))
        shown = kachel("dump", "--tenant", "bob", "--format", "jsonl")
        self.assertEqual(len(shown.stdout.splitlines()), 3)

    def test_entries_stay_their_tenants_over_a_kill(self):
        server = self.start()
        for name in ("alice", "bob"):
            self.assertEqual(self.log_in(server, name).call("SET", "k", "of " + name), "OK")
        with server.connect() as anybody:  # on this machine, without a password
            self.assertEqual(anybody.call("SET", "k", "of nobody"), "OK")
        server.kill()
        server.start()
        for name in ("alice", "bob"):
            self.assertEqual(self.log_in(server, name).call("GET", "k"), f"of {name}".encode())
        with server.connect() as anybody:
            self.assertEqual(anybody.call("GET", "k"), b"of nobody")
        server.stop()
        checked = subprocess.run([harness.binary("kachel"), "verify", "--data", server.data],
                                 capture_output=True, text=True, timeout=harness.DEADLINE_S)
        self.assertEqual(checked.returncode, 0, checked.stdout)
        with open(os.path.join(server.data, "tenants"), "r+b") as file:
            file.seek(30)
            file.write(b"~")
        checked = subprocess.run([harness.binary("kachel"), "verify", "--data", server.data],
                                 capture_output=True, text=True, timeout=harness.DEADLINE_S)
        self.assertEqual(checked.returncode, 1)
        self.assertIn("tenant_names", checked.stdout)
        # The names' file lost: the numbers follow from the names.
        os.remove(os.path.join(server.data, "tenants"))
        server.start()
        self.assertEqual(self.log_in(server, "bob").call("GET", "k"), b"of bob")

    def test_a_reload_takes_new_users_and_throws_out_old_ones(self):
        server = self.start()
        bob = self.log_in(server, "bob")
        self.assertEqual(self.kachel_user("remove", "bob").returncode, 0)
        self.add_user("carol", password="carol's password")
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "user carol: added" in server.log_text(), "SIGHUP")
        self.eventually(lambda: "user bob: removed" in server.log_text(), "SIGHUP")
        self.assertEqual(self.log_in(server, "carol", "carol's password").call("PING"), "PONG")
        self.eventually(lambda: isinstance(bob.call("PING"), (Error, str)), "an answer")
        with open(self.users, "a") as file:
            file.write("carol nonsense\n")
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "the users in force stay" in server.log_text(), "SIGHUP")
        self.assertEqual(self.log_in(server, "carol", "carol's password").call("PING"), "PONG")

    def test_a_named_default_user_closes_the_door_for_everybody_else(self):
        self.add_user("default", password="a default password")
        server = self.start()
        with server.connect() as anybody:
            self.assertIn("NOAUTH", str(anybody.call("GET", "k")))
        with server.client(password="a default password") as client:
            self.assertTrue(client.set("k", "v"))

    def test_passwords_and_tokens_are_nowhere_in_clear(self):
        server = self.start()
        for name in PASSWORDS:
            self.log_in(server, name)
        token = self.kachel_user("token", "alice").stdout.strip()
        self.assertTrue(token.startswith("kachel_"))
        server.stop()
        for secret in [*PASSWORDS.values(), token]:
            found = subprocess.run(["grep", "-rlF", secret, self.directory], capture_output=True)
            self.assertEqual(found.stdout, b"")
            self.assertNotIn(secret, server.log_text())

    def test_wrong_files_and_flags(self):
        data = ("--data", self.path("data"), "--listen", "127.0.0.1:0")
        code, output = self.run_kacheld(*data, "--users", self.path("none"))
        self.assertEqual((code, "cannot read the users' file" in output), (10, True), output)
        self.assertEqual(os.listdir(self.path("data")), [])  # no store is made for the wrong flag
        with open(self.users, "a") as file:
            file.write("mallory password secret\n")
        code, output = self.run_kacheld(*data, "--users", self.users)
        self.assertEqual(code, 2)
        self.assertRegex(output, r"users:\d+: .*kachel user add")
        # Nothing is changed in a file that is not understood.
        for arguments, text in ((("add", "dave", "--password-stdin"), "long enough\n"),
                                (("remove", "alice"), ""), (("list",), "")):
            done = self.kachel_user(*arguments, text=text)
            self.assertEqual(done.returncode, 2)
            self.assertIn("kachel user add", done.stderr)
        os.remove(self.users)
        for arguments, text, wanted in (
                (("add", "dave", "--password-stdin"), "short\n", "shorter than 8 bytes"),
                (("add", "dave", "--password-stdin"), "", "no password on standard input"),
                (("add", "a b", "--password-stdin"), "long enough\n", "1 to 64 letters"),
                (("add", "dave"), "", "--password-stdin"),
                (("list",), "", "cannot read")):
            done = self.kachel_user(*arguments, text=text)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(wanted, done.stderr)
        self.assertFalse(os.path.exists(self.users))


def commands_of(connection):
    """What COMMAND lists, with arities: {name: arity}."""
    return {entry[0].decode(): entry[1] for entry in connection.call("COMMAND")}


def arguments_for(rng, name, arity):
    """Something to say with the command: often wrong, and then the error must be the same."""
    words = ["k1", "k2", "h1", "f1", "v", "1", "10", "0", "*", "EX", "100", "anna", "SUBJECT", "KEY",
             "TENANT", "REASON", "COUNT", "$", '{"a":1}', "MATCH"]
    least = abs(arity) - 1
    count = least if arity > 0 else least + rng.randrange(4)
    arguments = [rng.choice(words) for _ in range(count)]
    if arguments and rng.random() < 0.7:
        arguments[0] = rng.choice(["k1", "k2", "h1"])
    if name == "kachel.lease" and len(arguments) > 1:
        arguments[1] = "1"  # never waits for long
    return arguments


def settled(reply):
    """The reply without what is chance, or the order of keyed hashes."""
    if isinstance(reply, Error):
        return VOLATILE.sub(b"~", str(reply).encode())
    if isinstance(reply, bytes):
        return VOLATILE.sub(b"~", reply)
    if isinstance(reply, int) and abs(reply) > 10**9:
        return "a time"
    if isinstance(reply, (list, tuple)):
        return sorted((settled(item) for item in reply), key=repr)
    if isinstance(reply, dict):
        return sorted(((settled(k), settled(v)) for k, v in reply.items()), key=repr)
    return reply


class Capacity(TenantTest):
    VALUE_BYTES = 50_000
    CAPACITY_BYTES = 4 << 20

    def setUp(self):
        super().setUp()
        self.config = self.path("kachel.toml")
        self.bound({"alice": "4MiB"})

    def bound(self, capacities):
        with open(self.config + ".new", "w") as file:
            for name, capacity in capacities.items():
                file.write(f'[tenant.{name}]\ncapacity = "{capacity}"\n')
        os.replace(self.config + ".new", self.config)

    def fill(self, connection, count, prefix="k"):
        chance = random.Random(count)
        for i in range(count):
            # Random bytes: they do not compress.
            value = chance.randbytes(self.VALUE_BYTES)
            self.assertEqual(connection.call("SET", f"{prefix}{i}", value), "OK")

    def usage(self, server, name):
        with server.connect() as admin:
            lines = admin.call("INFO", "tenants").decode().splitlines()
        for line in lines:
            if f"name={name}," in line:
                fields = dict(part.split("=") for part in line.split(":", 1)[1].split(","))
                return {key: int(value) for key, value in fields.items() if key != "name"}
        raise AssertionError(f"no {name} in {lines}")

    def test_who_is_past_it_loses_its_own_entries(self):
        server = self.start("--config", self.config)
        alice, bob = self.log_in(server, "alice"), self.log_in(server, "bob")
        self.fill(bob, 150)
        self.fill(alice, 150)
        self.eventually(
            lambda: self.usage(server, "alice")["bytes"] <= self.CAPACITY_BYTES, "evictions")
        self.assertEqual(bob.call("DBSIZE"), 150)
        there = alice.call("DBSIZE")
        self.assertLess(there, 90)
        self.assertIsNone(alice.call("GET", "k0"))
        used = self.usage(server, "alice")
        self.assertEqual(used["capacity_bytes"], self.CAPACITY_BYTES)
        self.assertEqual(used["entries"], there)
        self.assertEqual(used["evicted_entries"] + used["sets_not_stored"], 150 - there)
        self.assertEqual(self.usage(server, "bob")["capacity_bytes"], 0)

        def is_stored():
            self.assertEqual(alice.call("SET", "last", "value"), "OK")
            return alice.call("GET", "last") == b"value"

        self.eventually(is_stored, "room for what is new")
        used = self.usage(server, "alice")
        # The books are right after a crash, and what was evicted stays away.
        server.kill()
        server.start()
        after = self.usage(server, "alice")
        self.assertEqual((after["entries"], after["bytes"]), (used["entries"], used["bytes"]))
        self.assertIsNone(self.log_in(server, "alice").call("GET", "k0"))
        server.stop()
        checked = subprocess.run([harness.binary("kachel"), "verify", "--data", server.data],
                                 capture_output=True, text=True, timeout=harness.DEADLINE_S)
        self.assertEqual(checked.returncode, 0, checked.stdout)

    def test_it_changes_with_a_reload_and_counts_what_is_cached_from_then_on(self):
        server = self.start("--config", self.config)
        bob = self.log_in(server, "bob")
        self.fill(bob, 100)
        self.bound({"bob": "2MiB"})
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: self.usage(server, "bob")["bytes"] <= 2 << 20, "evictions")
        self.assertEqual(self.usage(server, "alice")["capacity_bytes"], 0)

        def is_stored():
            self.assertEqual(bob.call("SET", "after", "value"), "OK")
            return bob.call("GET", "after") == b"value"

        self.eventually(is_stored, "room")
        self.fill(bob, 10, "after")
        self.assertEqual(bob.call("EXISTS", *(f"after{i}" for i in range(10))), 10)
        self.bound({})
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: self.usage(server, "bob")["capacity_bytes"] == 0, "SIGHUP")


class Isolation(TenantTest):
    STEPS = 600

    def fill(self, connection):
        for i in range(50):
            connection.call("SET", f"k{i}", f"of alice {i}")
            connection.call("KACHEL.SET", f"about{i}", "v", "SUBJECT", "anna", "MODEL", "m")
        connection.call("HSET", "h1", "f1", "of alice", "f2", "of alice")

    def transcript(self, with_alice):
        """What bob hears, whether or not alice has the same keys and works all the time."""
        server = self.start(data="data-with" if with_alice else "data-without")
        bob = self.log_in(server, "bob")
        alice = self.log_in(server, "alice")
        commands = sorted(set(commands_of(bob).items()))
        if with_alice:
            self.fill(alice)
        rng = random.Random(7)
        heard = []
        for step in range(self.STEPS):
            name, arity = commands[step % len(commands)]
            arguments = arguments_for(rng, name, arity)
            if name in OF_THE_CONNECTION:
                continue
            if name == "randomkey":
                arguments = []
            reply = bob.call(name, *arguments)
            if name == "kachel.meta" and isinstance(reply, list):
                # A sequence of the whole store, and a record's size, which has some of them in it.
                for name_of_all in (b"version", b"stored_bytes"):
                    at = reply.index(name_of_all) if name_of_all in reply else len(reply)
                    del reply[at:at + 2]
            heard.append((name, tuple(arguments), settled(reply)))
            if with_alice and step % 10 == 0:
                alice.call("SET", f"new{step}", "of alice")
                alice.call("DEL", "k1", "k2")
                alice.call("KACHEL.ERASE", "SUBJECT", "anna")
                self.fill(alice)
        return server, alice, heard

    def test_what_one_hears_does_not_depend_on_the_other(self):
        server, alice, with_alice = self.transcript(True)
        for i in range(50):
            self.assertEqual(alice.call("GET", f"k{i}"), f"of alice {i}".encode())
        self.assertEqual(sorted(alice.call("HGETALL", "h1")),
                         [b"f1", b"f2", b"of alice", b"of alice"])
        for name, arguments, reply in with_alice:
            self.assertNotIn(b"alice", repr(reply).encode(), (name, arguments))
        server.stop()
        server, _, without_alice = self.transcript(False)
        server.stop()
        self.assertGreater(len(with_alice), self.STEPS // 2)
        for first, second in zip(with_alice, without_alice):
            if first[0] in ("randomkey", "scan", "hscan"):
                continue  # by the order of keyed hashes, which are each store's own
            self.assertEqual(first, second)

    def test_a_miss_costs_the_same_whether_another_has_the_key(self):
        server = self.start()
        alice, bob = self.log_in(server, "alice"), self.log_in(server, "bob")
        root = self.log_in(server, "root")
        for i in range(200):
            alice.call("SET", f"k{i}", "x" * 1000)

        def work_for(prefix):
            def counters():
                text = root.call("INFO", "all").decode()
                found = dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
                return [int(found[name]) for name in
                        ("device_reads", "index_lookups", "hot_hits", "flash_hits")]
            before = counters()
            for i in range(200):
                self.assertIsNone(bob.call("GET", f"{prefix}{i}"))
                self.assertEqual(bob.call("EXISTS", f"{prefix}{i}"), 0)
                self.assertEqual(bob.call("TTL", f"{prefix}{i}"), -2)
            return [after - was for after, was in zip(counters(), before)]

        self.assertEqual(work_for("k"), work_for("nobody has "))

    def test_receipts_and_holds_are_their_tenants(self):
        server = self.start()
        alice, bob = self.log_in(server, "alice"), self.log_in(server, "bob")
        self.fill(alice)
        receipt = alice.call("KACHEL.ERASE", "SUBJECT", "anna").decode()
        hold = alice.call("KACHEL.HOLD", "TENANT", "REASON", "case 1").decode()
        self.assertIn(receipt, alice.call("KACHEL.RECEIPT", receipt).decode())
        self.assertIsNone(bob.call("KACHEL.RECEIPT", receipt))
        self.assertEqual(bob.call("KACHEL.HOLDS"), [])
        self.assertIsInstance(bob.call("KACHEL.RELEASE", hold), Error)
        self.assertEqual(len(alice.call("KACHEL.HOLDS")), 1)


if __name__ == "__main__":
    harness.main()
