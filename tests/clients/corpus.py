"""Generates the messages of the deflate check from a seed, and computes their digest.

The sizes are 1 byte to 1 MiB and include the sizes at which frame headers and windows change. The
contents compress well, badly or not at all; some are text with characters of several bytes.
"""

import base64
import hashlib
import itertools
import json
import random
import zlib

EACH = 5_000  # messages per topic
LARGEST = 1 << 20
EDGES = (1, 2, 125, 126, 127, 4095, 4096, 4097, 8191, 8192, 8193, 65535, 65536, LARGEST)
WIDE_SHARE = 0.2  # share of sizes up to 1 MiB; the other sizes are below 16 KiB
BURSTS, BURST = 20, 300  # number of bursts for the SDKs, publications per burst
THRESHOLD = 256  # ws.deflate.threshold
MARK = 500  # number of messages between two digests in a report
SCRIPTS = "naïve Ωμέγα 日本語 עברית नमस्ते 👩‍👩‍👧‍👦 abc 0123 ".split(" ")


def json_lines(rng):
    quote = lambda: {
        "symbol": rng.choice(["EURUSD", "GBPJPY", "XAUUSD"]),
        "bid": round(rng.uniform(1, 2000), 4),
        "at": rng.randrange(1_700_000_000_000, 1_800_000_000_000),
    }
    return "\n".join(json.dumps(quote()) for _ in range(40_000)).encode()


def repeated(rng):
    pieces = [rng.randbytes(rng.randrange(1, 300)).hex() * rng.randrange(1, 3000) for _ in range(60)]
    return "".join(pieces).encode()


def scripts(rng):
    return " ".join(rng.choices(SCRIPTS, k=250_000)).encode()


def whole_characters(data, size):
    """Removes partial characters at both ends and pads the rest to `size` bytes."""
    return data.decode(errors="ignore").encode().ljust(size, b".")


def sizes(rng, kinds):
    """Returns EACH pairs of size and kind: every edge with every kind, then random pairs."""
    pairs = list(itertools.product(EDGES, kinds))
    while len(pairs) < EACH:
        bits = rng.uniform(0, 20 if rng.random() < WIDE_SHARE else 14)
        pairs.append((int(2**bits), rng.choice(kinds)))
    rng.shuffle(pairs)
    return pairs


def corpus(seed):
    """Returns the payloads of the topics `binary` and `text`."""
    rng = random.Random(seed)
    noise = rng.randbytes(3 << 20)
    pools = {
        "json": json_lines(rng),
        "repeated": repeated(rng),
        "scripts": scripts(rng),
        "base64": base64.b64encode(noise),
        "noise": noise,
    }
    payloads = {}
    for topic, kinds in {"binary": list(pools), "text": ["json", "repeated", "scripts", "base64"]}.items():
        payloads[topic] = []
        for size, kind in sizes(rng, kinds):
            start = rng.randrange(len(pools[kind]) - size)
            data = pools[kind][start : start + size]
            payloads[topic].append(whole_characters(data, size) if topic == "text" else data)
    return payloads


class Chain:
    """A digest of a sequence of messages: SHA-256 over the previous digest, the length (4 bytes,
    big-endian) and the bytes."""

    def __init__(self):
        self.count, self.digest, self.marks = 0, bytes(32), []

    def add(self, data):
        self.digest = hashlib.sha256(self.digest + len(data).to_bytes(4, "big") + data).digest()
        self.count += 1
        if self.count % MARK == 0:
            self.marks.append(self.digest.hex())

    def report(self):
        return {"count": self.count, "digest": self.digest.hex(), "marks": self.marks}


def chained(payloads):
    chain = Chain()
    for data in payloads:
        chain.add(data)
    return chain.report()


def burst_texts(rng):
    """Returns the publications for the SDKs and the texts in them. The last one has `last` set."""
    texts = [f"{n} {rng.random()} " + "naïve 日本語 " * rng.randrange(20) for n in range(BURSTS * BURST)]
    payloads = [json.dumps({"n": n, "text": text}, ensure_ascii=False) for n, text in enumerate(texts)]
    payloads[-1] = payloads[-1].removesuffix("}") + ', "last": true}'
    return [payload.encode() for payload in payloads], [text.encode() for text in texts]


def shrinking(payloads):
    """Counts the messages well above the threshold that zlib makes clearly smaller."""
    heads = (data[:4096] for data in payloads if len(data) >= 2 * THRESHOLD)
    return sum(len(zlib.compress(head, 1)) < 0.9 * len(head) for head in heads)
