"""What clients that can't be installed here send first, byte for byte, and what they need to hear.

The sequences are those of the libraries' sources; docs/clients.md names the versions.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import harness  # noqa: E402
from resp import Error, encode  # noqa: E402


class Handshakes(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.running = self.server().start()
        self.connection = self.running.connect()
        self.addCleanup(self.connection.close)

    def say(self, *commands):
        """Sends them in one piece; all replies."""
        return self.connection.pipeline(commands)

    def check_hello(self, hello):
        fields = hello
        self.assertEqual(fields["proto"], 3)
        self.assertEqual(fields["server"], b"redis")
        self.assertEqual(fields["mode"], b"standalone")
        self.assertEqual(fields["role"], b"master")
        self.assertTrue(fields["version"].startswith(b"7.2"))

    def check_refuses_notifications(self, reply):
        """As a Redis that does not know them: the clients go on without."""
        self.assertIsInstance(reply, Error)
        self.assertIn("unknown subcommand", str(reply))

    def check_in_use(self):
        self.assertEqual(self.say(("SET", "k", "v"), ("GET", "k"), ("SELECT", "0"),
                                  ("MULTI",), ("INCR", "n"), ("EXEC",)),
                         ["OK", b"v", "OK", "OK", "QUEUED", [1]])

    def test_go_redis(self):
        hello, = self.say(("hello", "3"))
        self.check_hello(hello)
        notifications, = self.say(
            ("client", "maint_notifications", "on", "moving-endpoint-type", "internal-ip"))
        self.check_refuses_notifications(notifications)
        self.assertEqual(self.say(("client", "setinfo", "LIB-NAME", "go-redis(,go1.24.1)"),
                                  ("client", "setinfo", "LIB-VER", "9.22.0")), ["OK", "OK"])
        self.assertEqual(self.say(("set", "k", "v", "ex", "10"), ("get", "k"), ("ping",)),
                         ["OK", b"v", "PONG"])
        self.assertEqual(self.say(("watch", "k"), ("multi",), ("set", "k", "w"), ("exec",)),
                         ["OK", "OK", "QUEUED", ["OK"]])

    def test_jedis(self):
        hello, = self.say(("HELLO", "3"))
        self.check_hello(hello)
        self.assertEqual(self.say(("CLIENT", "SETINFO", "LIB-NAME", "jedis"),
                                  ("CLIENT", "SETINFO", "LIB-VER", "7.2.0")), ["OK", "OK"])
        notifications, = self.say(
            ("CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "internal-ip"))
        self.check_refuses_notifications(notifications)
        self.check_in_use()

    def test_jedis_with_resp2(self):
        self.assertEqual(self.say(("CLIENT", "SETINFO", "LIB-NAME", "jedis"),
                                  ("CLIENT", "SETINFO", "LIB-VER", "6.2.0"),
                                  ("SELECT", "3")), ["OK", "OK", "OK"])
        self.check_in_use()

    def test_lettuce(self):
        hello, = self.say(("HELLO", "3", "SETNAME", "service"))
        self.check_hello(hello)
        replies = self.say(
            ("CLIENT", "SETINFO", "lib-name", "Lettuce"),
            ("CLIENT", "SETINFO", "lib-ver", "7.2.1.RELEASE/12ab34c"),
            ("CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "internal-ip"))
        self.assertEqual(replies[:2], ["OK", "OK"])
        self.check_refuses_notifications(replies[2])
        name, = self.say(("CLIENT", "GETNAME"))
        self.assertEqual(name, b"service")
        self.check_in_use()

    def test_redis_py_8(self):
        hello, = self.say(("HELLO", "3"))
        self.check_hello(hello)
        notifications, = self.say(
            ("CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "internal-ip"))
        self.check_refuses_notifications(notifications)
        self.assertEqual(self.say(("CLIENT", "SETINFO", "LIB-NAME", "redis-py"),
                                  ("CLIENT", "SETINFO", "LIB-VER", "8.1.0"),
                                  ("SELECT", "1")), ["OK", "OK", "OK"])
        self.check_in_use()

    def test_lmcache(self):
        """Its RESP2 client compares bytes, and takes any error to a SET for the end."""
        value = bytes(range(256)) * 1024
        self.connection.send_raw(encode("EXISTS", "key") + encode("SET", "key", value) +
                                 encode("EXISTS", "key") + encode("GET", "key"))
        expected = b":0\r\n+OK\r\n:1\r\n$%d\r\n%s\r\n" % (len(value), value)
        self.assertEqual(self.connection.stream.read(len(expected)), expected)

    def test_what_is_not_here_is_unknown_as_in_redis(self):
        for command in (("LPUSH", "l", "a"), ("SADD", "s", "a"), ("ZADD", "z", "1", "a"),
                        ("XADD", "x", "*", "f", "v"), ("EVAL", "return 1", "0"),
                        ("SUBSCRIBE", "c"), ("FT.SEARCH", "i", "*")):
            reply, = self.say(command)
            shown = "".join(f"'{word}' " for word in command[1:])
            self.assertEqual(str(reply), f"ERR unknown command '{command[0]}', "
                                         f"with args beginning with: {shown}")


if __name__ == "__main__":
    harness.main()
