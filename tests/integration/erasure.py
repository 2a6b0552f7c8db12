"""Erase by subject and by model on a real server: at once, across kills, and to the last byte."""

import os
import shutil
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

    def await_reclaimed(self, server, receipt):
        deadline = time.monotonic() + harness.DEADLINE_S
        while True:
            with server.connect() as connection:
                connection.call("HELLO", 3)
                found = connection.call("KACHEL.RECEIPT", receipt)
            if found["state"] == b"reclaimed":
                return found
            self.assertLess(time.monotonic(), deadline, found)
            time.sleep(0.2)

    def present(self, connection, who):
        return sum(connection.call("EXISTS", f"{who}-key-{i}") for i in range(200))

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
        self.assertEqual((found["entries"], found["segments_left"]), (50, 0))
        self.assertLessEqual(found["reclaimed_ms"], found["deadline_ms"])
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


if __name__ == "__main__":
    harness.main()
