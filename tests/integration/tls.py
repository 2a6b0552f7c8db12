"""TLS 1.3 on both ports: what crosses the network is encrypted, and a certificate says who asks."""

import http.client
import os
import re
import signal
import socket
import ssl
import subprocess

import harness
import http_client
import redis

PASSWORDS = {"alice": "alice's password", "root": "root's password"}


class Authority:
    """Signs certificates, as an operator would with openssl."""

    def __init__(self, directory, name):
        self.prefix = os.path.join(directory, name)
        self.certificate = self.prefix + ".pem"
        self.key = self.prefix + ".key"
        self.openssl("req", "-x509", *self.key_options(self.key), "-days", "2",
                     "-subj", "/CN=" + name, "-out", self.certificate)

    @staticmethod
    def openssl(*args):
        done = subprocess.run(["openssl", *args], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=harness.DEADLINE_S)
        assert done.returncode == 0, done.stderr

    @staticmethod
    def key_options(file):
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file

    def sign(self, subject, name=None, days=2):
        """(certificate, key): files for this subject; for a server on this machine as well."""
        base = f"{self.prefix}-{name or re.sub(r'[^a-z0-9]', '', subject.lower())}"
        self.openssl("req", *self.key_options(base + ".key"), "-subj", subject, "-out",
                     base + ".csr")
        with open(base + ".ext", "w") as file:
            file.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        self.openssl("x509", "-req", "-in", base + ".csr", "-CA", self.certificate, "-CAkey",
                     self.key, "-CAcreateserial", "-days", str(days), "-extfile", base + ".ext",
                     "-out", base + ".pem")
        return base + ".pem", base + ".key"


class TlsTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.authority = Authority(self.directory, "authority")
        self.certificate, self.key = self.authority.sign("/CN=cache.example", "server")
        self.users = self.path("users")

    def add_users(self):
        for name, password in PASSWORDS.items():
            done = subprocess.run(
                [harness.binary("kachel"), "user", "add", name, "--users", self.users,
                 "--password-stdin", *(["--admin"] if name == "root" else [])],
                input=password + "\n", capture_output=True, text=True, timeout=harness.DEADLINE_S)
            self.assertEqual(done.returncode, 0, done.stderr)

    def files(self):
        return "--tls-cert", self.certificate, "--tls-key", self.key

    def start(self, *args):
        """With both ports open to the network, as far as the server knows."""
        self.add_users()
        server = self.server("--tls-listen", "0.0.0.0:0", "--https", "0.0.0.0:0", *self.files(),
                             "--users", self.users, *args)
        return server.start()

    def port(self, server, what):
        return int(re.search(what + r" on \S+:(\d+)", server.log_text()).group(1))

    def context(self, pair=None, authority=None):
        context = ssl.create_default_context(
            cafile=(authority or self.authority).certificate)
        if pair:
            context.load_cert_chain(*pair)
        return context

    def client(self, server, pair=None, **options):
        if pair:
            options.update(ssl_certfile=pair[0], ssl_keyfile=pair[1])
        client = redis.Redis(host="127.0.0.1", port=self.port(server, "TLS"), ssl=True,
                             ssl_ca_certs=self.authority.certificate,
                             socket_timeout=harness.DEADLINE_S, **options)
        self.addCleanup(client.close)
        return client

    def log_in(self, server, name="alice", **options):
        return self.client(server, username=name, password=PASSWORDS[name], **options)

    def wrapped(self, server, context, what="TLS"):
        raw = socket.create_connection(("127.0.0.1", self.port(server, what)),
                                       timeout=harness.DEADLINE_S)
        self.addCleanup(raw.close)
        encrypted = context.wrap_socket(raw, server_hostname="127.0.0.1")
        self.addCleanup(encrypted.close)
        return encrypted

    def https(self, server, pair=None):
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port(server, "HTTPS"), timeout=harness.DEADLINE_S,
            context=self.context(pair))
        self.addCleanup(connection.close)
        return connection

    def ask(self, connection, method, path, body=None, **headers):
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.body = response.read()
        return response


class Encryption(TlsTest):
    def test_values_of_every_size_come_back(self):
        client = self.log_in(self.start())
        values = {f"k{size}": os.urandom(size) for size in
                  (0, 1, 1000, 16383, 16384, 16385, 70_000, 1 << 20, 20 << 20)}
        for key, value in values.items():
            client.set(key, value)
        for _ in range(2):
            for key, value in values.items():
                self.assertEqual(client.get(key), value, key)

    def test_pipelines_of_small_and_large(self):
        client = self.log_in(self.start())
        with client.pipeline(transaction=False) as pipeline:
            for i in range(20_000):
                pipeline.set(f"k{i}", b"x" * (i % 700))
            self.assertEqual(pipeline.execute(), [True] * 20_000)
            for i in range(20_000):
                pipeline.get(f"k{i}")
            for i, value in enumerate(pipeline.execute()):
                self.assertEqual(value, b"x" * (i % 700))

    def test_redis_cli(self):
        server = self.start()
        shown = subprocess.run(
            ["redis-cli", "-p", str(self.port(server, "TLS")), "--tls", "--cacert",
             self.authority.certificate, "--user", "alice", "--pass", PASSWORDS["alice"],
             "--no-auth-warning", "PING"],
            capture_output=True, text=True, timeout=harness.DEADLINE_S)
        self.assertEqual(shown.stdout.strip(), "PONG", shown.stderr)

    def test_nothing_below_tls_1_3_and_nothing_in_clear(self):
        server = self.start()
        old = self.context()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        for what in ("TLS", "HTTPS"):
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.wrapped(server, old, what)
            self.assertEqual(self.wrapped(server, self.context(), what).version(), "TLSv1.3")
        for request in (b"PING\r\n", b"GET / HTTP/1.1\r\n\r\n", os.urandom(5000)):
            with socket.create_connection(("127.0.0.1", self.port(server, "TLS")),
                                          timeout=harness.DEADLINE_S) as raw:
                raw.sendall(request)
                try:
                    answer = raw.recv(1000)
                    self.assertNotIn(b"PONG", answer)
                    while answer:
                        answer = raw.recv(1000)
                except ConnectionResetError:
                    pass
        self.assertTrue(self.log_in(server).ping())

    def test_who_never_shakes_hands_is_cut_off_and_disturbs_nobody(self):
        server = self.start()
        idle = [socket.create_connection(("127.0.0.1", self.port(server, "TLS")),
                                         timeout=harness.DEADLINE_S) for _ in range(20)]
        idle[0].sendall(b"\x16\x03\x01\x02\x00\x01")  # a hello that never goes on
        client = self.log_in(server)
        self.assertTrue(client.set("k", "v"))
        for raw in idle:
            self.assertEqual(raw.recv(100), b"")  # within the deadline
            raw.close()
        self.assertEqual(client.get("k"), b"v")

    def test_a_slow_reader_gets_everything(self):
        server = self.start()
        self.log_in(server).set("large", b"x" * (8 << 20))
        connection = self.wrapped(server, self.context())
        connection.sendall(b"AUTH alice \"alice's password\"\r\n" + b"GET large\r\n" * 4)
        expected = len(b"+OK\r\n") + 4 * (len(b"$8388608\r\n") + (8 << 20) + 2)
        received = 0
        while received < expected:
            received += len(connection.recv(100_000))
        self.assertEqual(received, expected)

    def test_the_numbers(self):
        server = self.server("--tls-listen", "127.0.0.1:0", *self.files(), *http_client.ON).start()
        self.assertTrue(self.client(server).set("k", "v"))  # anybody on this machine
        with socket.create_connection(("127.0.0.1", self.port(server, "TLS"))) as raw:
            raw.sendall(b"PING\r\n")

        def counted():
            return {(name, labels.get("result")): number
                    for name, labels, number in http_client.samples(http_client.metrics(server))
                    if name.startswith("kachel_tls")}
        self.eventually(lambda: counted()["kachel_tls_handshakes_total", "failed"] == 1, "counted")
        self.assertEqual(counted()["kachel_tls_handshakes_total", "done"], 1)
        self.assertGreater(
            counted()["kachel_tls_certificate_expiry_timestamp_seconds", None], 1.7e9)


class Tools(TlsTest):
    """kachel --connect rediss://HOST:PORT."""

    def kachel(self, *args, who="root", pair=None, authority=True, **environment):
        environment = {**os.environ, **environment}
        environment["KACHEL_TLS_CA"] = self.authority.certificate if authority else ""
        if who:
            environment["KACHEL_AUTH"] = f"{who}:{PASSWORDS[who]}"
        if pair:
            environment["KACHEL_TLS_CERT"], environment["KACHEL_TLS_KEY"] = pair
        return subprocess.run([harness.binary("kachel"), *args], env=environment, text=True,
                              capture_output=True, timeout=harness.DEADLINE_S)

    def at(self, server, host="127.0.0.1", port="TLS"):
        return f"rediss://{host}:{self.port(server, port)}"

    def ok(self, *args, **options):
        done = self.kachel(*args, **options)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def refused(self, *args, **options):
        done = self.kachel(*args, **options)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_a_server_is_asked(self):
        server = self.start()
        for host in ("127.0.0.1", "localhost"):
            self.assertIn("entries", self.ok("stats", "--connect", self.at(server, host)))
        # Without an authority: nobody vouches for it.
        error = self.refused("stats", "--connect", self.at(server), authority=False)
        self.assertIn("KACHEL_TLS_CA", error)
        self.assertIn("127.0.0.1", error)
        # It vouches for another name than this.
        error = self.refused("stats", "--connect", self.at(server, "127.0.0.2"))
        self.assertIn("not accepted", error)
        missing = self.path("missing.pem")
        error = self.refused("stats", "--connect", self.at(server), pair=(missing, self.key))
        self.assertIn(missing, error)
        error = self.refused("stats", "--connect", self.at(server), KACHEL_TLS_CERT=missing)
        self.assertIn("set both", error)

    def test_a_certificate_says_who_asks(self):
        server = self.start("--tls-client-ca", self.authority.certificate)
        pair = self.authority.sign("/CN=root")
        self.assertIn("entries", self.ok("stats", "--connect", self.at(server), who=None, pair=pair))
        self.assertIn("NOAUTH", self.refused("stats", "--connect", self.at(server), who=None))

    def test_one_speaks_tls_and_the_other_does_not(self):
        server = self.start()
        tls = self.at(server).removeprefix("rediss://")
        self.assertNotEqual(self.refused("stats", "--connect", tls), "")
        plain = self.server(data="plain").start()
        error = self.refused("stats", "--connect", f"rediss://127.0.0.1:{plain.port}")
        self.assertIn("TLS", error)
        self.assertIn("entries", self.ok("stats", "--connect", f"redis://127.0.0.1:{plain.port}",
                                         who=None))

    def test_a_clone_crosses_the_network_encrypted(self):
        server = self.start()
        client = self.log_in(server, "root")
        values = {f"k{i}": os.urandom(200_000) for i in range(40)}
        for name, value in values.items():
            client.set(name, value)
        copy = self.path("copy")
        self.ok("clone", "--from", self.at(server), "--data", copy)
        other = self.server("--users", self.users, "--tls-listen", "127.0.0.1:0", *self.files(),
                            data="copy").start()
        self.ok("catch-up", "--connect", self.at(other), "--from", self.at(server))
        found = self.log_in(other, "root")
        for name, value in values.items():
            self.assertEqual(found.get(name), value)


class Certificates(TlsTest):
    def test_a_certificate_logs_its_user_in(self):
        server = self.start("--tls-client-ca", self.authority.certificate)
        alice = self.client(server, self.authority.sign("/O=Inference/CN=alice"))
        self.assertEqual(alice.client_info()["user"], "alice")
        alice.set("k", "of alice")
        self.assertEqual(self.log_in(server).get("k"), b"of alice")
        # Another user by his password all the same.
        pair = self.authority.sign("/CN=alice", "again")
        self.assertEqual(self.log_in(server, "root", pair=pair).client_info()["user"], "root")
        for subject in ("/CN=nobody", "/CN=default", "/O=nameless", "/CN=alice/CN=root",
                        "/CN=Alice"):
            stranger = self.client(server, self.authority.sign(subject))
            with self.assertRaises(redis.exceptions.AuthenticationError, msg=subject):
                stranger.get("k")
        with self.assertRaises(redis.exceptions.AuthenticationError):
            self.client(server).get("k")
        connection = self.https(server, pair)
        answer = self.ask(connection, "GET", http_client.entry("k", "alice"))
        self.assertEqual((answer.status, answer.body), (200, b"of alice"))
        self.assertEqual(self.ask(connection, "GET", http_client.entry("k", "root")).status, 403)

    def test_others_authorities_vouch_for_nobody(self):
        server = self.start("--tls-client-ca", self.authority.certificate)
        other = Authority(self.directory, "other")
        for pair in (other.sign("/CN=alice"), self.authority.sign("/CN=alice", "old", days=-1)):
            with self.assertRaises((redis.exceptions.ConnectionError, ssl.SSLError)):
                self.client(server, pair).ping()
            with self.assertRaises((OSError, http.client.HTTPException)):
                self.ask(self.https(server, pair), "GET", "/healthz")

    def test_nobody_without_one_where_one_is_required(self):
        server = self.start("--tls-client-ca", self.authority.certificate,
                            "--tls-require-client-cert")
        with self.assertRaises((redis.exceptions.ConnectionError, ssl.SSLError)):
            self.log_in(server).ping()
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.ask(self.https(server), "GET", "/healthz")
        alice = self.client(server, self.authority.sign("/CN=alice"))
        self.assertTrue(alice.set("k", "v"))

    def test_a_removed_user_is_out_in_spite_of_his_certificate(self):
        server = self.start("--tls-client-ca", self.authority.certificate)
        alice = self.client(server, self.authority.sign("/CN=alice"))
        self.assertTrue(alice.set("k", "v"))
        subprocess.run([harness.binary("kachel"), "user", "remove", "alice", "--users", self.users],
                       check=True, capture_output=True, timeout=harness.DEADLINE_S)
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "user alice: removed" in server.log_text(), "SIGHUP")
        with self.assertRaises(redis.exceptions.AuthenticationError):
            alice.get("k")


class Https(TlsTest):
    def test_the_network_says_who_it_is(self):
        server = self.start()
        connection = self.https(server)
        self.assertEqual(self.ask(connection, "GET", "/healthz").status, 200)
        path = http_client.entry("k", "alice")
        self.assertEqual(self.ask(connection, "GET", path, Host="cache.example").status, 401)
        self.assertEqual(self.ask(connection, "GET", http_client.entry("k")).status, 401)
        self.assertEqual(self.ask(connection, "GET", "/metrics").status, 401)
        token = subprocess.run([harness.binary("kachel"), "user", "token", "alice", "--users",
                                self.users], capture_output=True, text=True,
                               timeout=harness.DEADLINE_S).stdout.strip()
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "user alice: changed" in server.log_text(), "SIGHUP")
        bearer = {"Authorization": "Bearer " + token}
        value = os.urandom(5 << 20)
        self.assertEqual(self.ask(connection, "PUT", path, value, **bearer).status, 204)
        answer = self.ask(connection, "GET", path, **bearer)
        self.assertEqual((answer.status, answer.body), (200, value))
        self.assertEqual(self.ask(connection, "GET", path, Origin="https://evil.example",
                                  **bearer).status, 403)

    def test_an_answer_ends_as_tls_does(self):
        server = self.start()
        stream = self.wrapped(server, self.context(), "HTTPS")
        stream.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := stream.recv(4096):  # raises if the end is not announced
            answer += part
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 "))

    def test_a_stop_is_not_held_up(self):
        server = self.start()
        kept = [self.wrapped(server, self.context(), "HTTPS"),
                self.wrapped(server, self.context())]
        with socket.create_connection(("127.0.0.1", self.port(server, "HTTPS"))):
            with socket.create_connection(("127.0.0.1", self.port(server, "TLS"))):
                self.assertEqual(server.stop(), 0)
        self.assertEqual(len(kept), 2)


class Files(TlsTest):
    def test_a_reload_takes_the_new_certificate(self):
        server = self.start()
        before = self.log_in(server)
        self.assertTrue(before.set("k", "v"))

        def shown(what):
            return self.wrapped(server, self.context(), what).getpeercert()["serialNumber"]
        old = shown("TLS")
        renewed = self.authority.sign("/CN=cache.example", "renewed")
        for new, name in zip(renewed, (self.certificate, self.key)):
            os.replace(new, name)
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: shown("TLS") != old, "the new certificate")
        self.eventually(lambda: shown("HTTPS") != old, "the new certificate")
        self.assertEqual(before.get("k"), b"v")
        renewed = shown("TLS")
        with open(self.certificate, "w") as file:
            file.write("no certificate\n")
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "the certificate in force stays" in server.log_text(), "SIGHUP")
        self.assertEqual(shown("TLS"), renewed)

    def test_wrong_files_and_flags(self):
        data = ("--data", self.path("data"), "--listen", "127.0.0.1:0")
        tls = ("--tls-listen", "127.0.0.1:0")
        with open(self.path("broken"), "w") as file:
            file.write("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        other = self.authority.sign("/CN=other")
        for arguments, wanted in (
                (tls, "--tls-cert FILE and --tls-key FILE"),
                (self.files(), "--tls-listen HOST:PORT"),
                (("--tls-listen", "0.0.0.0:0", *self.files()), "--users FILE"),
                (("--https", "0.0.0.0:0", *self.files()), "--users FILE"),
                ((*tls, *self.files(), "--tls-require-client-cert"), "--tls-client-ca FILE"),
                ((*tls, *self.files(), "--tls-client-ca", self.certificate), "--users FILE"),
                ((*tls, "--tls-cert", self.path("none"), "--tls-key", self.key), "none: "),
                ((*tls, "--tls-cert", self.path("broken"), "--tls-key", self.key), "broken: "),
                ((*tls, "--tls-cert", self.certificate, "--tls-key", self.certificate),
                 "private key"),
                ((*tls, "--tls-cert", self.certificate, "--tls-key", other[1]), "--tls-key: "),
        ):
            code, output = self.run_kacheld(*data, *arguments)
            self.assertEqual(code, 2, (arguments, output))
            self.assertIn(wanted, output, arguments)
            self.assertFalse(os.path.exists(self.path("data")))


if __name__ == "__main__":
    harness.main()
