"""The Redis protocol, small and exact: what a client library hides, these tests look at."""

import socket


class Error(Exception):
    """An error reply. Returned, not raised: a test decides what it means."""

    def __eq__(self, other):
        return isinstance(other, Error) and self.args == other.args

    __hash__ = Exception.__hash__


class Closed(Exception):
    """The peer closed or reset the connection."""


def encode(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        if isinstance(word, str):
            word = word.encode()
        elif isinstance(word, int):
            word = b"%d" % word
        parts.append(b"$%d\r\n" % len(word))
        parts.append(word)
        parts.append(b"\r\n")
    return b"".join(parts)


class Connection:
    """One socket. `call` is a request and its reply; `send` and `read` pipeline."""

    def __init__(self, port, timeout_s):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb", buffering=1 << 18)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()

    def send_raw(self, data):
        try:
            self.socket.sendall(data)
        except (ConnectionResetError, BrokenPipeError) as error:
            raise Closed() from error

    def send(self, *words):
        self.send_raw(encode(*words))

    def call(self, *words):
        self.send(*words)
        return self.read()

    def pipeline(self, requests):
        self.send_raw(b"".join(encode(*request) for request in requests))
        return [self.read() for _ in requests]

    def _line(self):
        try:
            line = self.stream.readline()
        except ConnectionResetError as error:
            raise Closed() from error
        if not line.endswith(b"\r\n"):
            raise Closed()
        return line[:-2]

    def _exactly(self, count):
        try:
            data = self.stream.read(count + 2)
        except ConnectionResetError as error:
            raise Closed() from error
        if len(data) != count + 2:
            raise Closed()
        assert data[-2:] == b"\r\n", data[-2:]
        return data[:-2]

    def read(self):
        """One reply, RESP2 or RESP3, as Python values; Closed at the end."""
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return Error(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._exactly(int(rest))
        if kind in b"*~>":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        if kind == b"%":
            return {self._key(): self.read() for _ in range(int(rest))}
        if kind == b"_":
            return None
        if kind == b"#":
            return rest == b"t"
        if kind == b",":
            return float(rest)
        if kind == b"=":
            return self._exactly(int(rest))[4:]
        raise AssertionError(f"not a reply: {line!r}")

    def _key(self):
        key = self.read()
        return key.decode() if isinstance(key, bytes) else key

    def at_end(self):
        """True when the peer has closed and nothing is left to read. Waits for it."""
        try:
            return self.stream.read(1) == b""
        except ConnectionResetError:
            return True
