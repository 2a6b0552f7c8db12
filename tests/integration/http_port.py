"""The HTTP port: entries and the rest of Kachel over HTTP, its bounds, and what it refuses."""

import concurrent.futures
import os
import socket
import time
import uuid

import harness
import yaml
from http_client import ON, Http, entry, port_of

REPOSITORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


class HttpTest(harness.TestCase):
    def serve(self, *args, config=None):
        if config is not None:
            self.config = self.path("kachel.toml")
            with open(self.config, "w") as file:
                file.write(config)
            args = ("--config", self.config, *args)
        self.running = self.server(*ON, *args).start()
        return self.running

    def client(self):
        client = Http(self.running)
        self.addCleanup(client.connection.close)
        return client

    def problem(self, answer, status, code):
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        problem = answer.json()
        self.assertEqual(problem["type"], "urn:kachel:problem:" + code)
        self.assertEqual(problem["status"], status)
        self.assertEqual(problem["request_id"], answer.headers["X-Request-Id"])
        self.assertTrue(problem["detail"])
        return problem


class Entries(HttpTest):
    def test_what_is_put_is_got_by_both_protocols(self):
        server = self.serve()
        http = self.client()
        key = "a/b %?#\u00e9\n"
        value = bytes(range(256)) * 5
        put = http.call("PUT", entry(key, kind="completion", model="tile 7b",
                                     subject=["anna\u00e9", "ben"], ttl="1h", tokens_in=3,
                                     tokens_out=4, cost_micro_usd=5), value)
        self.assertEqual((put.status, put.body), (204, b""))
        got = http.get(entry(key))
        self.assertEqual((got.status, got.body), (200, value))
        headers = got.headers
        self.assertEqual(headers["Content-Type"], "application/octet-stream")
        self.assertEqual(headers["Kachel-Kind"], "completion")
        self.assertEqual(headers["Kachel-Model"], "tile%207b")
        self.assertEqual(headers.get_all("Kachel-Subject"), ["anna%C3%A9", "ben"])
        self.assertEqual([headers["Kachel-Tokens-In"], headers["Kachel-Tokens-Out"],
                          headers["Kachel-Cost-Micro-Usd"]], ["3", "4", "5"])
        self.assertGreater(int(headers["Kachel-Expires-At-Ms"]), time.time() * 1000)
        self.assertEqual(headers["Kachel-Tier"], "hot")
        redis = server.client()
        self.assertEqual(redis.get(key), value)
        self.assertEqual(http.get(entry(key), If_None_Match=headers["ETag"]).status, 304)
        metadata = http.get(entry(key).replace("?", "") + "/metadata").json()
        self.assertEqual(metadata["model"], "tile 7b")
        self.assertEqual(metadata["subject_count"], 2)
        head = http.call("HEAD", entry(key))
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.headers["Content-Length"], str(len(value)))
        redis.set("plain", "x", ex=100)
        self.assertEqual(http.get(entry("plain")).body, b"x")
        self.assertEqual(http.call("DELETE", entry(key)).status, 204)
        self.problem(http.call("DELETE", entry(key)), 404, "no-such-entry")
        self.problem(http.get(entry(key)), 404, "no-such-entry")
        self.assertIsNone(redis.get(key))

    def test_conditions(self):
        self.serve()
        http = self.client()
        absent, present = {"If-None-Match": "*"}, {"If-Match": "*"}
        self.problem(http.call("PUT", entry("k"), "1", present), 412, "precondition-failed")
        self.assertEqual(http.call("PUT", entry("k"), "1", absent).status, 204)
        self.problem(http.call("PUT", entry("k"), "2", absent), 412, "precondition-failed")
        version = http.get(entry("k")).headers["ETag"]
        self.assertEqual(http.call("PUT", entry("k"), "2", {"If-Match": version}).status, 204)
        self.problem(http.call("PUT", entry("k"), "3", {"If-Match": version}), 412,
                     "precondition-failed")
        self.problem(http.call("DELETE", entry("k"), None, {"If-Match": version}), 412,
                     "precondition-failed")
        self.assertEqual(http.get(entry("k")).body, b"2")
        self.problem(http.call("PUT", entry("k"), "3", {"If-Match": "x"}), 400, "invalid-request")

    def test_databases_are_apart(self):
        server = self.serve()
        http = self.client()
        http.call("PUT", entry("k", database=3), "three")
        self.assertEqual(http.get(entry("k")).status, 404)
        self.assertEqual(http.get(entry("k", database=3)).body, b"three")
        self.assertEqual(server.client(db=3).get("k"), b"three")
        self.problem(http.get(entry("k", database=16)), 400, "invalid-request")

    def test_what_is_wrong_is_said_and_changes_nothing(self):
        self.serve()
        http = self.client()
        http.call("PUT", entry("k"), "old")
        for query in ({"kind": "poem"}, {"ttl": "soon"}, {"ttl": "0s"}, {"subject": ""},
                      {"subject": "s" * 257}, {"model": "m" * 257}, {"erase_by": 1},
                      {"tokens_in": "x"}, {"cost_micro_usd": -1}, {"lease": "x"}, {"ttk": "1h"}):
            self.problem(http.call("PUT", entry("k", **query), "new"), 400, "invalid-request")
        for path in ("/v1/tenants/default/entries/%zz", "/v1/tenants/default/entries/",
                     entry("k") + "?" + "&".join("a=1" for _ in range(65))):
            self.problem(http.get(path), 400, "invalid-path")
        self.problem(http.get("/v1/tenants/other/entries/k"), 403, "forbidden")
        self.problem(http.get("/v2"), 404, "no-such-path")
        answer = http.call("POST", entry("k"), "x")
        self.problem(answer, 405, "method-not-allowed")
        self.assertEqual(answer.headers["Allow"], "GET, PUT, DELETE")
        self.assertEqual(http.get(entry("k")).body, b"old")

    def test_policies_hold_as_for_set(self):
        server = self.serve(config='[tenant.default]\nttl_default = "1h"\nttl_max = "2h"\n'
                                   'require_subject = true\n')
        http = self.client()
        self.problem(http.call("PUT", entry("k"), "v"), 422, "subject-required")
        self.assertEqual(server.counter("kachel_sets_refused"), 1)
        for ttl, most_s in (({}, 3600), ({"ttl": "30d"}, 7200)):
            self.assertEqual(http.call("PUT", entry("k", subject="anna", **ttl), "v").status, 204)
            left_s = server.client().ttl("k")
            self.assertLessEqual(left_s, most_s)
            self.assertGreater(left_s, most_s - harness.DEADLINE_S)
        self.assertEqual(server.counter("ttl_clamped"), 1)


class Operations(HttpTest):
    ERASE = "/v1/tenants/default/erase"
    HOLDS = "/v1/tenants/default/holds"

    def test_erasing_and_its_receipt(self):
        self.serve()
        http = self.client()
        for key in ("a", "b"):
            http.call("PUT", entry(key, subject="anna"), "v")
        http.call("PUT", entry("c", model="m"), "v")
        dry = http.call("POST", self.ERASE, {"subject": "anna", "dry_run": True})
        self.assertEqual(dry.json()["entries"], 2)
        request = str(uuid.uuid4())
        body = {"subject": "anna", "reason": "case 7", "request": request}
        self.assertEqual(http.call("POST", self.ERASE, body).json()["receipt"], request)
        self.assertEqual(http.call("POST", self.ERASE, body).json()["receipt"], request)
        self.assertEqual(http.get(entry("a")).status, 404)
        self.assertEqual(http.get(entry("c")).status, 200)
        self.assertEqual(http.get("/v1/tenants/default/receipts/" + request).status, 200)
        pending = http.get("/v1/tenants/default/erasures").json()["pending"]
        self.assertLessEqual({each["receipt"] for each in pending}, {request})
        self.problem(http.get("/v1/tenants/default/receipts/" + str(uuid.uuid4())), 404,
                     "no-such-receipt")
        for body in ({}, {"subject": "a", "model": "b"}, {"keys": []}, {"keys": [1]},
                     {"subject": 1}, {"tenant": False}, {"subject": "a", "request": "x"},
                     {"subject": "a", "dry_run": "yes"}):
            self.problem(http.call("POST", self.ERASE, body), 400, "invalid-request")
        for body in ("", "[]", "{", '{"what": 1}'):
            self.problem(http.call("POST", self.ERASE, body), 400, "invalid-json")
        http.call("POST", self.ERASE, {"keys": ["c"]})
        self.assertEqual(http.get(entry("c")).status, 404)

    def test_holds(self):
        self.serve()
        http = self.client()
        placed = http.call("POST", self.HOLDS, {"subject": "anna", "reason": "case 7"})
        self.assertEqual(placed.status, 201)
        hold = placed.json()["hold"]
        self.assertEqual([each["hold"] for each in http.get(self.HOLDS).json()["holds"]], [hold])
        self.assertEqual(http.call("DELETE", f"{self.HOLDS}/{hold}?reason=over").status, 204)
        self.assertEqual(http.get(self.HOLDS).json()["holds"], [])
        self.problem(http.call("DELETE", f"{self.HOLDS}/{hold}"), 404, "not-found")
        for body in ({}, {"reason": "x"}, {"subject": "a", "tenant": True, "reason": "x"}):
            self.problem(http.call("POST", self.HOLDS, body), 400, "invalid-request")

    def test_leases(self):
        self.serve()
        http = self.client()
        lease = entry("k") + "/lease?ms=60000"
        granted = http.call("POST", lease)
        self.assertEqual(granted.status, 201)
        self.problem(http.call("POST", entry("k") + "/lease?ms=1"), 409, "lease-taken")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            other = self.client()
            waiter = pool.submit(other.call, "POST", lease)
            self.eventually(lambda: self.running.counter("lease_waits") == 1, "nobody waits")
            token = granted.json()["token"]
            self.assertEqual(http.call("PUT", entry("k", lease=token), "v").status, 204)
            self.assertEqual((waiter.result().status, waiter.result().body), (200, b"v"))
        self.problem(http.call("PUT", entry("k", lease=token), "w"), 409, "lease-refused")
        self.problem(http.call("POST", entry("k") + "/lease?ms=0"), 400, "invalid-request")


class Port(HttpTest):
    def raw(self, data):
        """What comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", port_of(self.running)),
                                      harness.DEADLINE_S) as connection:
            connection.sendall(data)
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
            return received

    def test_health(self):
        self.serve()
        http = self.client()
        self.assertEqual(http.get("/healthz").json(), {"status": "serving"})
        self.assertEqual(http.get("/readyz").json(), {"status": "ready", "reasons": []})

    def test_bounds(self):
        self.serve("--max-value", "64KiB")
        http = self.client()
        self.problem(http.call("PUT", entry("k"), b"x" * 70_000), 413, "body-too-large")
        http = self.client()
        self.assertEqual(http.call("PUT", entry("k"), b"x" * 65_536).status, 204)
        self.problem(http.get(entry("k" * 40_000)), 431, "head-too-large")
        self.assertIn(b" 400 ", self.raw(b"NONSENSE\r\n\r\n"))
        chunked = self.raw(b"PUT /v1/tenants/default/entries/k HTTP/1.1\r\nHost: localhost\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"y" * 65536 +
                           b"\r\n10000\r\n" + b"y" * 65536 + b"\r\n0\r\n\r\n")
        self.assertIn(b" 413 ", chunked)

    def test_connections_are_bounded(self):
        self.serve()
        address = ("127.0.0.1", port_of(self.running))
        held = [socket.create_connection(address) for _ in range(256)]
        try:
            self.eventually(lambda: self.raw(b"").startswith(b"HTTP/1.1 503"), "all are served")
        finally:
            for connection in held:
                connection.close()
        request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

        def is_served():
            try:
                return b"200 OK" in self.raw(request)
            except ConnectionResetError:
                return False  # refused: the server has closed on a request that it did not read
        self.eventually(is_served, "somebody is served afterwards")

    def test_keep_alive_pipelining_and_continue(self):
        self.serve()
        request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
        answer = self.raw((request + b"\r\n") * 3 + request + b"Connection: close\r\n\r\n")
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), 4)
        answer = self.raw(b"PUT /v1/tenants/default/entries/k HTTP/1.1\r\nHost: localhost\r\n"
                          b"Expect: 100-continue\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
        self.assertTrue(answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204"), answer)

    def test_web_pages_are_refused(self):
        self.serve()
        http = self.client()
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"},
                        {"Sec-Fetch-Site": "cross-site"}):
            self.problem(http.call("PUT", entry("k"), "v", headers), 403, "foreign-origin")
        self.assertEqual(http.get(entry("k")).status, 404)

    def test_a_stop_waits_for_what_is_asked(self):
        server = self.serve()
        http = self.client()
        self.assertEqual(http.call("PUT", entry("k"), "v").status, 204)
        self.assertEqual(server.stop(), 0)
        server.start()
        self.assertEqual(self.client().get(entry("k")).body, b"v")

    def test_nothing_of_the_requests_is_logged(self):
        server = self.serve("--log-level", "trace")
        http = self.client()
        http.call("PUT", entry("secret-key", subject="secret-subject"), "secret-value")
        http.get(entry("secret-key"))
        http.call("PUT", entry("secret-key", ttl="secret"), "secret-value")
        http.call("POST", "/v1/tenants/default/erase", {"subject": "secret-subject"})
        self.assertEqual(server.stop(), 0)
        self.assertNotIn("secret", "".join(server.log))

    def test_the_description_is_served_and_every_route_of_it(self):
        self.serve()
        http = self.client()
        with open(os.path.join(REPOSITORY, "docs", "openapi.yaml"), "rb") as file:
            text = file.read()
        self.assertEqual(http.get("/v1/openapi.yaml").body, text)
        paths = yaml.safe_load(text)["paths"]
        for path, methods in paths.items():
            for method in set(methods) - {"parameters"}:
                given = path.format(tenant="default", key="k", id=uuid.uuid4())
                answer = http.call(method.upper(), given, "x" if method in ("put", "post") else None)
                if answer.status >= 400:
                    self.assertNotIn(answer.json()["type"].rsplit(":", 1)[1],
                                     ("no-such-path", "method-not-allowed"), path)
                declared = methods[method]["responses"]
                self.assertTrue(str(answer.status) in declared or answer.status >= 400, path)


if __name__ == "__main__":
    harness.main()
