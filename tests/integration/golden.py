"""Stores that earlier builds have written, one of each format version: tests/golden/make."""

import glob
import json
import os
import re
import subprocess
import tarfile

import harness

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden")


class Golden(harness.TestCase):
    def unpack(self, path):
        name = os.path.basename(path).removesuffix(".tar.gz")
        with tarfile.open(path) as archive:
            archive.extractall(self.path(name))
        # The first builds left this to the umask; verify says what to do.
        os.chmod(os.path.join(self.path(name), "data/key"), 0o600)
        with open(os.path.join(self.path(name), "expected.json")) as file:
            return os.path.join(name, "data"), json.load(file)

    def check(self, server, expected):
        with server.connect() as connection:
            for key, value in expected.items():
                hash_name, slash, field = key.partition("/")
                words = ("HGET", hash_name, field) if slash else ("GET", key)
                wanted = None if value is None else value.encode()
                self.assertEqual(connection.call(*words), wanted, key)
            there = sum(value is not None and "/" not in key for key, value in expected.items())
            hashes = any(value is not None and "/" in key for key, value in expected.items())
            self.assertEqual(connection.call("DBSIZE"), there + hashes)

    def test_each_version_is_read_and_gone_on_with(self):
        archives = sorted(glob.glob(os.path.join(GOLDEN, "*.tar.gz")))
        self.assertGreaterEqual(len(archives), 2)
        for path in archives:
            with self.subTest(os.path.basename(path)):
                data, expected = self.unpack(path)
                server = self.server(data=data).start()
                self.assertEqual(server.counter("start_damaged_records"), 0)
                self.check(server, expected)
                with server.connect() as connection:
                    self.assertEqual(connection.call("SET", "plain5", "by a later build"), "OK")
                    self.assertEqual(connection.call("DEL", "plain6"), 1)
                expected |= {"plain5": "by a later build", "plain6": None}
                server.kill()
                server.start()
                self.check(server, expected)
                self.assertEqual(server.stop(), 0)
                server.start()
                self.check(server, expected)
                self.assertEqual(server.stop(), 0)

    def verify(self, data):
        return subprocess.run([harness.binary("kachel"), "verify", "--data", data],
                              capture_output=True, text=True)

    def test_none_is_taken_for_damaged(self):
        for path in sorted(glob.glob(os.path.join(GOLDEN, "*-stopped.tar.gz"))):
            with self.subTest(os.path.basename(path)):
                data, _ = self.unpack(path)
                report = self.verify(self.path(data))
                found = set(re.findall(r"^(?:damage|overdue)\s+(\S+)", report.stdout, re.MULTILINE))
                # The first version's index can't be read any more: it is built anew.
                self.assertEqual(found, {"index_item"} if "v1" in path else set(), report.stdout)

    def test_a_subject_is_erased_from_each(self):
        config = self.path("kachel.toml")
        with open(config, "w") as file:
            file.write('[tenant.default]\nerase_within = "12s"\n')
        for path in sorted(glob.glob(os.path.join(GOLDEN, "*.tar.gz"))):
            with self.subTest(os.path.basename(path)):
                data, expected = self.unpack(path)
                gone = [f"about{i}" for i in range(1, 20, 4) if expected.get(f"about{i}")]
                self.assertEqual(len(gone), 5)
                server = self.server("--config", config, data=data).start()
                with server.connect() as connection:
                    connection.call("KACHEL.ERASE", "SUBJECT", "person-1")
                expected |= dict.fromkeys(gone)
                # In this time their bytes have gone, too, and what lives was moved.
                self.eventually(lambda: server.info()["erasures_pending"] == 0, "reclaimed")
                self.check(server, expected)
                server.kill()
                server.start()
                self.check(server, expected)
                self.assertEqual(server.stop(), 0)
                report = self.verify(server.data)
                self.assertEqual(report.returncode, 0, report.stdout + report.stderr)

    def test_the_index_of_each_is_built_anew(self):
        for path in sorted(glob.glob(os.path.join(GOLDEN, "*-stopped.tar.gz"))):
            with self.subTest(os.path.basename(path)):
                data, expected = self.unpack(path)
                subprocess.run(["rm", "-r", os.path.join(self.path(data), "index")], check=True)
                server = self.server(data=data).start()
                self.check(server, expected)
                self.assertEqual(server.stop(), 0)
                report = self.verify(server.data)
                self.assertEqual(report.returncode, 0, report.stdout + report.stderr)


if __name__ == "__main__":
    harness.main()
