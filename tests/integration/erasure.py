"""Erase by subject and by model on a real server: at once, across kills, and to the last byte."""

import json
import os
import shutil
import subprocess
import time

import harness

CANARY = "canary-person-7f3a"


class Erasure(harness.TestCase):
    def start(self):
        config = self.path("kachel.toml")
        with open(config, "w") as file:
            file.write('[tenant.default]\nerase_within = "10s"\n')
        return self.server("--config", config).start()

    def fill(self, connection):
        for i in range(200):
            who = CANARY if i % 4 == 0 else "somebody"
            connection.call("KACHEL.SET", f"{who}-key-{i}", f"value {i} of {who} " + "x" * 500,
                            "SUBJECT", who, "MODEL", "tile-7b")

    def is_on_disk(self, server, text):
        """As `grep -r` would say of the data directory."""
        for directory, _, names in os.walk(server.data):
            for name in names:
                try:
                    with open(os.path.join(directory, name), "rb") as file:
                        if text.encode() in file.read():
                            return True
                except FileNotFoundError:  # reclaimed meanwhile
                    pass
        return False

    def receipt(self, server, name):
        with server.connect() as connection:
            return json.loads(connection.call("KACHEL.RECEIPT", name))

    def await_reclaimed(self, server, name):
        deadline = time.monotonic() + harness.DEADLINE_S
        while True:
            found = self.receipt(server, name)
            if found["state"] == "reclaimed":
                return found
            self.assertLess(time.monotonic(), deadline, found)
            time.sleep(0.2)

    def kachel(self, *arguments, code=0):
        done = subprocess.run([harness.binary("kachel"), *arguments], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def present(self, connection, who):
        return sum(connection.call("EXISTS", f"{who}-key-{i}") for i in range(200))

    def test_a_hold_keeps_what_is_erased_until_it_is_released(self):
        server = self.start()
        with server.connect() as connection:
            self.fill(connection)
            hold = connection.call("KACHEL.HOLD", "SUBJECT", CANARY, "REASON", "case 17").decode()
            name = connection.call("KACHEL.ERASE", "SUBJECT", CANARY).decode()
            connection.call("KACHEL.ERASE", "SUBJECT", "somebody")
            self.assertEqual(self.present(connection, CANARY), 0)
        server.kill()
        server.start()

        def is_alone():
            return not self.is_on_disk(server, "somebody-key")
        self.eventually(is_alone, "the neighbours are reclaimed")
        self.assertTrue(self.is_on_disk(server, f"{CANARY}-key-0"))
        self.eventually(lambda: self.receipt(server, name)["state"] == "blocked_by_hold",
                        "the receipt says what it waits for")
        self.assertGreater(self.receipt(server, name)["progress"]["held_copies"], 0)
        self.assertEqual(server.counter("holds"), 1)
        self.assertEqual(server.counter("erasures_blocked_by_hold"), 1)
        with server.connect() as connection:
            self.assertEqual(self.present(connection, CANARY), 0)
            listed = connection.call("KACHEL.HOLDS")
            self.assertEqual(len(listed), 1)
            self.assertIn(hold.encode(), listed[0])
            self.assertIn(b"case 17", listed[0])
            self.assertEqual(connection.call("KACHEL.RELEASE", hold), "OK")
            self.assertEqual(connection.call("KACHEL.HOLDS"), [])
        self.await_reclaimed(server, name)
        self.assertFalse(self.is_on_disk(server, CANARY))
        self.assertEqual(server.counter("overdue_segments"), 0)
        self.assertEqual(server.stop(), 0, server.log_text())

    def test_a_subject_is_gone_at_once_and_to_the_last_byte(self):
        server = self.start()
        with server.connect() as connection:
            self.fill(connection)
            connection.call("HELLO", 3)
            counted = connection.call("KACHEL.ERASE", "SUBJECT", CANARY, "DRYRUN")
            self.assertEqual((counted["entries"], counted["copies"]), (50, 50))
            self.assertTrue(self.is_on_disk(server, CANARY))
            receipt = connection.call("KACHEL.ERASE", "SUBJECT", CANARY)
            self.assertEqual(self.present(connection, CANARY), 0)
            self.assertEqual(self.present(connection, "somebody"), 150)
        found = self.await_reclaimed(server, receipt)
        reclaimed = found["events"][1]["event"]
        self.assertEqual((reclaimed["index"]["entries"], reclaimed["flash"]["copies"]), (50, 50))
        self.assertLessEqual(reclaimed["time_ms"], reclaimed["deadline_ms"])
        with server.connect() as connection:
            info = connection.call("INFO", "erasure").decode()
        self.assertIn("erasure_alarm:0\r\n", info)
        self.assertNotIn("index_compactions:0\r\n", info)
        self.assertFalse(self.is_on_disk(server, CANARY))
        with server.connect() as connection:
            self.assertEqual(self.present(connection, "somebody"), 150)
        server.stop()
        self.assertFalse(self.is_on_disk(server, CANARY))

    def test_it_holds_across_a_kill_and_a_lost_index(self):
        server = self.start()
        with server.connect() as connection:
            self.fill(connection)
            receipt = connection.call("KACHEL.ERASE", "SUBJECT", CANARY)
        server.kill()
        server.start()
        with server.connect() as connection:
            self.assertEqual(self.present(connection, CANARY), 0)
            self.assertEqual(self.present(connection, "somebody"), 150)
        self.await_reclaimed(server, receipt)
        self.assertFalse(self.is_on_disk(server, CANARY))
        server.kill()
        shutil.rmtree(os.path.join(server.data, "index"))
        server.start()
        with server.connect() as connection:
            self.assertEqual(self.present(connection, CANARY), 0)
            self.assertEqual(self.present(connection, "somebody"), 150)
            receipt = connection.call("KACHEL.ERASE", "MODEL", "tile-7b")
            self.assertEqual(self.present(connection, "somebody"), 0)
        self.await_reclaimed(server, receipt)
        self.assertFalse(self.is_on_disk(server, "somebody"))

    def test_keys_and_a_tenant_are_erased_once_for_each_request(self):
        server = self.start()
        request = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
        with server.connect() as connection:
            self.fill(connection)
            keys = [f"{CANARY}-key-{i}" for i in range(0, 200, 4)]
            erase = ("KACHEL.ERASE", "KEY", *keys, "REASON", "case 17", "REQUEST", request)
            self.assertEqual(connection.call(*erase).decode(), request)
            self.assertEqual(self.present(connection, CANARY), 0)
            connection.call("SET", keys[0], "again")
            self.assertEqual(connection.call(*erase).decode(), request)
            self.assertEqual(connection.call("GET", keys[0]), b"again")
            connection.call("DEL", keys[0])
        server.kill()
        server.start()
        with server.connect() as connection:
            self.assertEqual(connection.call(*erase).decode(), request)
        event = self.await_reclaimed(server, request)["events"][0]["event"]
        self.assertEqual((event["reason"], event["entries"], len(event["targets"])),
                         ("case 17", 50, 50))
        self.assertFalse(self.is_on_disk(server, CANARY))
        with server.connect() as connection:
            self.assertEqual(self.present(connection, "somebody"), 150)
            everything = connection.call("KACHEL.ERASE", "TENANT").decode()
            self.assertEqual(connection.call("DBSIZE"), 0)
        self.await_reclaimed(server, everything)
        self.assertFalse(self.is_on_disk(server, "somebody"))

    def test_a_receipt_is_checked_offline(self):
        server = self.start()
        with server.connect() as connection:
            self.fill(connection)
            name = connection.call("KACHEL.ERASE", "SUBJECT", CANARY).decode()
        early = self.kachel("receipt", "get", name, "--connect", f"127.0.0.1:{server.port}")
        self.await_reclaimed(server, name)
        late = self.kachel("receipt", "get", name, "--connect", f"127.0.0.1:{server.port}")
        self.assertIn("no receipt", self.kachel(
            "receipt", "get", "6ba7b810-9dad-41d1-80b4-00c04fd430c8", "--connect",
            f"127.0.0.1:{server.port}", code=1))
        self.assertIn("locked by another", self.kachel("verify", "audit", "--data", server.data, code=11))
        server.stop()
        paths = []
        for i, text in enumerate((early, late)):
            paths.append(self.path(f"receipt{i}"))
            with open(paths[-1], "w") as file:
                json.dump(json.loads(text), file, indent=2)
        key = json.loads(late)["key"]
        self.assertIn("not yet", self.kachel("receipt", "verify", paths[0], "--key", key))
        self.assertIn("50 copies", self.kachel("receipt", "verify", paths[1], "--data", server.data))
        self.assertIn("under the key in it", self.kachel("receipt", "verify", paths[1], code=3))
        with open(paths[1], "w") as file:
            file.write(late.replace('"copies":50', '"copies":51'))
        self.assertIn("NOT VALID", self.kachel("receipt", "verify", paths[1], "--key", key, code=1))
        with open(paths[1], "w") as file:
            file.write(late)

        self.assertIn("0 findings", self.kachel("verify", "audit", "--data", server.data,
                                                "--checkpoint", paths[1], "--checkpoint", paths[0]))
        tail = os.path.join(server.data, "audit", "tail")
        with open(tail, "rb") as file:
            whole = file.read()
        for bent in (whole.replace(b'"copies":50', b'"copies":51'), whole[:-40],
                     whole + b"KLVS" + bytes(60)):
            with open(tail, "wb") as file:
                file.write(bent)
            found = self.kachel("verify", "audit", "--data", server.data, "--json", code=1)
            self.assertIn('"clean":false', found)
        with open(tail, "wb") as file:
            file.write(whole)
        self.kachel("verify", "audit", "--data", server.data)
        self.kachel("verify", "audit", "--data", self.path("nowhere"), code=10)


if __name__ == "__main__":
    harness.main()
