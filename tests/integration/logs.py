"""The daemon's own log: one JSON object a line when asked, and nothing of what clients say."""

import json
import re
import time

import harness


class Logs(harness.TestCase):
    def slow_command(self, server):
        """A large value, which takes longer than the microsecond that is allowed; its client."""
        with server.connect() as connection:
            self.assertEqual(connection.call("CONFIG", "SET", "slowlog-log-slower-than", "1"), "OK")
            client = connection.call("CLIENT", "ID")
            time.sleep(1.1)  # one a second is told, and that may have been one

            def is_noted():
                connection.call("SET", "secret-key", "secret-value" * 500_000)
                return connection.call("SLOWLOG", "LEN") > 0
            self.eventually(is_noted, "a slow command")
        return client

    def test_lines_are_objects_when_asked(self):
        server = self.server("--log-format", "json", "--log-level", "trace").start()
        client = self.slow_command(server)
        self.assertEqual(server.stop(), 0)
        lines = [json.loads(line) for line in server.log]
        for line in lines:
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertIn(line["level"], ("trace", "debug", "info", "warning", "error"))
            self.assertTrue(line["message"])
        slow = [line for line in lines if line.get("command") == "set"]
        self.assertTrue(slow, lines)
        self.assertRegex(slow[0]["request"], rf"^{client}-\d+$")
        self.assertGreater(int(slow[0]["duration_us"]), 0)
        self.assertGreater(int(slow[0]["request_bytes"]), 6_000_000)
        self.assertNotIn("secret", "".join(server.log))

    def test_lines_are_for_people_otherwise(self):
        server = self.server().start()
        client = self.slow_command(server)
        self.assertEqual(server.stop(), 0)
        self.assertRegex("".join(server.log), rf"info a slow command;.* request={client}-\d+ "
                         r"command=set duration_us=\d+")
        for line in server.log:
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d \w+ ")

    def test_another_format_is_refused_by_name(self):
        code, text = self.run_kacheld("--data", self.path("data"), "--log-format", "xml")
        self.assertNotEqual(code, 0)
        self.assertTrue(re.search("log-format.*text or json", text), text)


if __name__ == "__main__":
    harness.main()
