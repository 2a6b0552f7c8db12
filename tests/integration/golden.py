"""Stores that earlier builds have written, one of each format version: tests/golden/make."""

import glob
import json
import os
import subprocess
import tarfile

import harness

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden")


class Golden(harness.TestCase):
    def unpack(self, path):
        name = os.path.basename(path).removesuffix(".tar.gz")
        with tarfile.open(path) as archive:
            archive.extractall(self.path(name))
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

    def test_the_index_of_each_is_built_anew(self):
        for path in sorted(glob.glob(os.path.join(GOLDEN, "*-stopped.tar.gz"))):
            with self.subTest(os.path.basename(path)):
                data, expected = self.unpack(path)
                subprocess.run(["rm", "-r", os.path.join(self.path(data), "index")], check=True)
                server = self.server(data=data).start()
                self.check(server, expected)
                self.assertEqual(server.stop(), 0)
                report = subprocess.run([harness.binary("kachel"), "verify", "--data", server.data],
                                        capture_output=True, text=True)
                self.assertEqual(report.returncode, 0, report.stdout + report.stderr)


if __name__ == "__main__":
    harness.main()
