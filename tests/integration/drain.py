"""`kachel drain`: a node is taken out of service, and nobody sees an error."""

import subprocess

import harness
import http_client
from resp import Error


class OutOfService(harness.TestCase):
    def drain(self, server, *options):
        return subprocess.run(
            [harness.binary("kachel"), "drain", "--connect", f"127.0.0.1:{server.port}", *options],
            capture_output=True, text=True, timeout=harness.DEADLINE_S)

    def test_reads_and_erases_go_on_and_values_are_not_stored(self):
        server = self.server(*http_client.ON).start()
        with server.connect() as connection, http_client.Http(server) as client:
            for key in ("read", "replaced", "erased"):
                self.assertEqual(connection.call("SET", key, "value"), "OK")
            self.assertIn("not draining", self.drain(server, "--status").stdout)
            self.assertEqual(client.get("/readyz").status, 200)
            done = self.drain(server)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertTrue(done.stdout.startswith("draining: "), done.stdout)
            ready = client.get("/readyz")
            self.assertEqual(ready.status, 503)
            self.assertEqual([reason["code"] for reason in ready.json()["reasons"]], ["draining"])
            self.assertEqual(connection.call("GET", "read"), b"value")
            for key in ("new", "replaced"):
                self.assertEqual(connection.call("SET", key, "other"), "OK")
                self.assertIsNone(connection.call("GET", key), "nor is the older value there")
            self.assertEqual(connection.call("DEL", "erased"), 1)
            self.assertEqual(connection.call("DBSIZE"), 1)
            samples = client.get("/metrics").body.decode()
            self.assertIn("kachel_draining 1", samples)
            self.assertIn('kachel_sets_not_stored_total{reason="draining"} 2', samples)
            self.assertEqual(self.drain(server, "--off").returncode, 0)
            self.assertEqual(client.get("/readyz").status, 200)
            self.assertEqual(connection.call("SET", "new", "value"), "OK")
            self.assertEqual(connection.call("GET", "new"), b"value")

    def test_it_is_over_with_a_restart(self):
        server = self.server().start()
        self.assertEqual(self.drain(server).returncode, 0)
        server.kill()
        server.start()
        self.assertIn("not draining", self.drain(server, "--status").stdout)

    def test_wrong_words_and_addresses_are_told(self):
        server = self.server().start()
        with server.connect() as connection:
            answer = connection.call("KACHEL.DRAIN", "SOON")
            self.assertIsInstance(answer, Error)
            self.assertIn("[ON|OFF]", str(answer))
            self.assertEqual(connection.call("KACHEL.DRAIN"), b"off")
        self.assertEqual(self.drain(server, "--off", "--status").returncode, 2)
        server.stop()
        gone = self.drain(server)
        self.assertNotEqual(gone.returncode, 0)
        self.assertIn("127.0.0.1", gone.stderr)


if __name__ == "__main__":
    harness.main()
