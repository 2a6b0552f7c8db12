"""Values that say whose they are: each bears its key, its version and a checksum of itself, so
that a wrong byte, a stale value, another key's value and a mixture are all told apart.

    kt1|WRITER|KEY|VERSION|KIND|LENGTH|DIGEST|body

A value shorter than that header is a few bytes that follow from key and version.
"""

import hashlib
import random
import re
import zlib

POOL_BYTES = 1 << 20  # longer than any body; half of it compresses, half does not
SIZES = (  # share of the values, smallest and largest body
    (0.05, -60, 0),  # shorter than the header
    (0.60, 20, 2000),
    (0.26, 2000, 16000),
    (0.08, 16000, 80000),
    (0.01, 80000, 500000),
)
KIND_SHARE = 0.25  # set by KACHEL.SET, with metadata
HEADER = re.compile(rb"kt1\|(\d+)\|(\d+)\|(\d+)\|([pk])\|(\d+)\|([0-9a-f]{16})\|")
WORDS = b"the tile keeps heat for days and answers tokens of a model ".split()


def _make_pool():
    rng = random.Random("kachel torture")
    text = b" ".join(rng.choice(WORDS) for _ in range(POOL_BYTES // 10))
    return (text + rng.randbytes(POOL_BYTES))[:POOL_BYTES]


POOL = _make_pool()


def _mix(writer, key, version, salt):
    return zlib.crc32(b"%d/%d/%d/%d" % (writer, key, version, salt)) / 2**32


def body_size(writer, key, version):
    share = _mix(writer, key, version, 1)
    for part, low, high in SIZES:
        if share < part:
            return low + int((high - low) * share / part)
        share -= part
    return SIZES[0][2]


def has_metadata(writer, key, version):
    return _mix(writer, key, version, 2) < KIND_SHARE


def _digest(head, body):
    return hashlib.blake2b(body, digest_size=8, key=head[:64]).hexdigest().encode()


def make(writer, key, version, small=False):
    """The value; `small` keeps it below a few hundred bytes."""
    size = body_size(writer, key, version)
    if size <= 0:
        return _tiny(writer, key, version, 61 + size)
    if small:
        size = min(size, 200)
    start = int(_mix(writer, key, version, 3) * (POOL_BYTES - size))
    body = POOL[start:start + size]
    kind = b"k" if has_metadata(writer, key, version) else b"p"
    head = b"kt1|%d|%d|%d|%s|%d|" % (writer, key, version, kind, size)
    return head + _digest(head, body) + b"|" + body


def _tiny(writer, key, version, size):
    seed = b"%d/%d/%d" % (writer, key, version)
    return hashlib.blake2b(seed, digest_size=max(1, size)).digest()


class Wrong(Exception):
    """A value that nobody set for the key."""


def read(value, key):
    """(writer, version), or None when the value is too short to say. Raises Wrong."""
    match = HEADER.match(value)
    if not match:
        if len(value) <= 61:
            return None
        raise Wrong(f"{len(value)} bytes without a header: {value[:60]!r}")
    writer, found_key, version, size = (int(match.group(i)) for i in (1, 2, 3, 5))
    body = value[match.end():]
    if len(body) != size or _digest(value[:match.start(6)], body) != match.group(6):
        raise Wrong(f"checksum or length does not fit: {value[:match.end()]!r}, {len(body)} bytes")
    if found_key != key:
        raise Wrong(f"the value of key {found_key}")
    return writer, version


def is_tiny(writer, key, version):
    return body_size(writer, key, version) <= 0


def metadata_words(version, length):
    """What KACHEL.SET says of a value; KACHEL.META has to say it again."""
    return ("KIND", "completion", "MODEL", f"m{version % 7}", "TOKENS", version, length)


def metadata_fits(meta, version, length):
    return (meta[b"kind"] == b"completion" and meta[b"model"] == f"m{version % 7}".encode()
            and meta[b"tokens_in"] == version and meta[b"tokens_out"] == length
            and meta[b"raw_bytes"] == length)
