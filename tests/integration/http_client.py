"""The HTTP port of a Server of harness.py, as a client sees it."""

import http.client
import json
import re
import urllib.parse

from harness import DEADLINE_S

ON = ("--http", "127.0.0.1:0")
LISTENING = re.compile(r"HTTP on 127\.0\.0\.1:(\d+)")


def port_of(server):
    """Of a server started with ON; its log says it before it is ready."""
    for line in server.log:
        match = LISTENING.search(line)
        if match:
            return int(match.group(1))
    raise AssertionError("no HTTP port in the log:\n" + server.log_text())


class Http:
    """A connection that is kept alive. Answers have status, headers, body, and json()."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", port_of(server),
                                                     timeout=DEADLINE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def call(self, method, path, body=None, headers=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        self.connection.request(method, path, body, headers or {})
        response = self.connection.getresponse()
        response.body = response.read()
        response.json = lambda: json.loads(response.body)
        return response

    def get(self, path, **headers):
        return self.call("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})


def entry(key, tenant="default", **query):
    """The path of an entry, key and query encoded."""
    path = f"/v1/tenants/{tenant}/entries/" + urllib.parse.quote(key, safe="")
    return path + ("?" + urllib.parse.urlencode(query, doseq=True) if query else "")


SAMPLE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def samples(text):
    """[(name, {label: value}, number)] of Prometheus' text format."""
    found = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, labels, number = SAMPLE.match(line).groups()
            found.append((name, dict(LABEL.findall(labels or "")), float(number)))
    return found


def metrics(server):
    with Http(server) as client:
        answer = client.get("/metrics")
        assert answer.status == 200, answer.body
        return answer.body.decode()
