"""Simulates clients of Apple, which cannot run on this machine.

    apple.py --fanfare BINARY --logs DIR

Safari and NSURLSession have known faults with permessage-deflate (docs/PROTOCOL.md). The checks use
plain sockets and zlib. They send what these clients send, and fail where these clients would fail.
They run with `ws.deflate.apple` set to `decline` and to `on`.
"""

import argparse
import contextlib
import json
import pathlib
import random
import signal
import sys
import urllib.parse
import zlib

from conductor import Publisher
from frames import BINARY, TEXT, Closed, Peer
from server import Addresses, Server

HERE = pathlib.Path(__file__).parent
AT = Addresses(HERE / "fanfare.toml")
ADDRESS = (urllib.parse.urlsplit(AT.ws).hostname, urllib.parse.urlsplit(AT.ws).port)
OFFER = "permessage-deflate"
OLD_OFFER = "x-webkit-deflate-frame"
EXTENSIONS = "sec-websocket-extensions"
TAIL = b"\x00\x00\xff\xff"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
APPLE = {
    "Safari on macOS": f"{MAC} Version/17.5 Safari/605.1.15",
    "Safari on iOS": f"{IPHONE} Version/17.5 Mobile/15E148 Safari/604.1",
    "Chrome on iOS": f"{IPHONE} CriOS/126.0.6478.35 Mobile/15E148 Safari/604.1",
    "NSURLSession": "Prices/7 CFNetwork/1496.0.7 Darwin/23.5.0",
}
SAFARI = APPLE["Safari on macOS"]
SAFARI_14 = f"{MAC} Version/14.1.2 Safari/605.1.15"
OTHERS = {
    "Chrome on macOS": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36",
    "Firefox on macOS": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:127.0) Gecko/20100101 Firefox/127.0",
    "no name": None,
}
PATHS = ("/raw?topic=apple", "/connection/websocket", "/echo")
RAW, CLIENT, ECHO = PATHS
WORDS = json.dumps([{"symbol": f"EURUSD{n}", "bid": 1.08} for n in range(40)]).encode()
PUBLISHER = Publisher(AT.pull)


def peer(path, agent=SAFARI, offer=OFFER):
    return Peer(ADDRESS, path, offer, agent)


def same(actual, expected, what):
    shown = lambda value: repr(value) if len(repr(value)) < 120 else f"{repr(value)[:120]}…"
    if actual != expected:
        raise AssertionError(f"{what}: got {shown(actual)}, expected {shown(expected)}")


def agreed(socket, holds, what):
    header = socket.headers.get(EXTENSIONS)
    assert (header is not None) == holds, f"{what}: {EXTENSIONS} is {header!r}"


def packed(data, compressor=None):
    """Returns a compressed payload according to RFC 7692, section 7.2.1."""
    compressor = compressor or zlib.compressobj(wbits=-15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


class Inflater:
    """Accepts what Apple's library accepts: unfragmented messages that are not empty and have no final
    block. Keeps its window from one message to the next."""

    def __init__(self):
        self.kept, self.compressed = zlib.decompressobj(wbits=-15), 0

    def message(self, frame):
        if not frame.rsv1:
            return frame.payload
        self.compressed += 1
        assert frame.fin and frame.opcode in (TEXT, BINARY), "fragmented and compressed"
        assert frame.payload, "an empty compressed frame"
        assert frame.payload[0] & 1 == 0, "BFINAL in the first block"
        data = self.kept.decompress(frame.payload + TAIL)
        assert data, "compressed, and empty once inflated"
        assert not self.kept.eof, "BFINAL in a later block"
        same(zlib.decompressobj(wbits=-15).decompress(frame.payload + TAIL), data, "without takeover")
        return data


def publications(seed):
    """Returns JSON payloads below and above the threshold, compressible and incompressible."""
    rng = random.Random(seed)
    sizes = [1, 100, 255, 256, 257, 4096, 70_000, 500_000] + [int(2 ** rng.uniform(3, 13)) for _ in range(192)]
    kinds = [lambda size: (WORDS.decode() * (size // len(WORDS) + 1))[:size], lambda size: rng.randbytes(size).hex()]
    return [json.dumps({"n": n, "x": rng.choice(kinds)(size)}).encode() for n, size in enumerate(sizes)]


def publish(payloads):
    for payload in payloads:
        PUBLISHER.push("apple", payload)


def receive(socket, payloads):
    """Receives all payloads on a /raw connection. Returns the inflater."""
    inflater = Inflater()
    for n, payload in enumerate(payloads):
        same(inflater.message(socket.frame()), payload, f"message {n}")
    return inflater


def echoes(socket, data, rsv1=False):
    """Sends the data, compressed on its own or uncompressed, and receives it back."""
    socket.send(packed(data) if rsv1 else data, rsv1=rsv1)
    same(Inflater().message(socket.frame()), data, "echo")


def closed(socket):
    try:
        frame = socket.frame()
    except Closed as end:
        return end
    raise AssertionError(f"a frame instead of a close: {frame.payload[:40]}")


# ---- under ws.deflate.apple = decline -------------------------------------------------------


def declined(agent):
    for path in PATHS:
        with peer(path, agent) as socket:
            agreed(socket, False, path)
    with peer(RAW, agent) as socket:
        publish(payloads := publications(1))
        same(receive(socket, payloads).compressed, 0, "compressed messages")


def others():
    for name, agent in OTHERS.items():
        with peer(RAW, agent) as socket:
            agreed(socket, True, name)


def old_offer():
    """Safari up to version 14 offers only its own extension."""
    with peer(RAW, SAFARI_14, OLD_OFFER) as socket:
        agreed(socket, False, OLD_OFFER)
        publish([WORDS])
        same(socket.frame(), (True, False, TEXT, WORDS), "frame")


def compressed_though_declined():
    """Beta versions of iOS 14 and macOS 11 set RSV1 although no compression was agreed."""
    with peer(ECHO) as witness, peer(ECHO) as socket:
        agreed(socket, False, "declined")
        socket.send(packed(WORDS), rsv1=True)
        end = closed(socket)
        assert end.code == 1002 and end.reason, end
        echoes(witness, WORDS)


def by_query():
    for path in PATHS:
        with peer(f"{path}{'&' if '?' in path else '?'}deflate=0", OTHERS["Chrome on macOS"]) as socket:
            agreed(socket, False, path)


# ---- under ws.deflate.apple = on ------------------------------------------------------------


def negotiated():
    for name, agent in APPLE.items():
        for path in PATHS:
            with peer(path, agent) as socket:
                agreed(socket, True, f"{name} on {path}")


def acceptable():
    with peer(RAW) as socket:
        publish(payloads := publications(2))
        inflater = receive(socket, payloads)
        assert inflater.compressed > len(payloads) / 4, f"{inflater.compressed} of {len(payloads)} compressed"


def acceptable_lines():
    """On the client protocol, compressed frames contain messages of several lines."""
    with peer(CLIENT) as socket:
        socket.send(b'{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"apple"}}')
        inflater, got, frames = Inflater(), [], 0
        payloads = publications(3)
        while len(got) < len(payloads):
            frames += 1
            for line in map(json.loads, inflater.message(socket.frame()).splitlines()):
                if line.get("id") == 2:
                    publish(payloads)
                elif "push" in line:
                    got.append(line["push"]["pub"]["data"])
                elif not line:
                    socket.send(b"{}")
        same(got, [json.loads(payload) for payload in payloads], "publications")
        assert inflater.compressed, f"{inflater.compressed} of {frames} compressed"


def takeover():
    """Safari 15.0 to 15.3 ignore client_no_context_takeover, so the second message refers to the first."""
    compressor = zlib.compressobj(wbits=-15)
    with peer(ECHO) as witness, peer(ECHO) as socket:
        socket.send(packed(WORDS, compressor), rsv1=True)
        same(Inflater().message(socket.frame()), WORDS, "the first echo")
        second = packed(WORDS, compressor)
        assert len(second) < len(packed(WORDS)) / 2, "the second message refers to the first"
        socket.send(second, rsv1=True)
        end = closed(socket)
        assert end.code == 1007 and end.reason, end
        echoes(witness, WORDS, rsv1=True)


def uncompressed():
    with peer(ECHO) as socket:
        agreed(socket, True, "negotiated")
        for rsv1 in (False, True, False):
            echoes(socket, WORDS, rsv1)


@contextlib.contextmanager
def serving(arguments, log, *settings):
    words = [word for setting in ("ws.echo=true", *settings) for word in ("-s", setting)]
    server = Server(arguments.fanfare, ["-c", HERE / "fanfare.toml", *words], AT.health, arguments.logs / log)
    try:
        server.start()
        PUBLISHER.connect()
        yield
    finally:
        server.close()


CHECKS = {
    (): {
        **{f"{name} is declined": lambda agent=agent: declined(agent) for name, agent in APPLE.items()},
        "Chrome and Firefox on macOS are not declined": others,
        "x-webkit-deflate-frame is not agreed": old_offer,
        "RSV1 without agreed compression closes with 1002": compressed_though_declined,
        "?deflate=0 turns compression off": by_query,
    },
    ("ws.deflate.apple=on",): {
        "compression is negotiated when on": negotiated,
        "/raw sends no fragments, no empty frames and no BFINAL": acceptable,
        "the client protocol sends no fragments, no empty frames and no BFINAL": acceptable_lines,
        "x-webkit-deflate-frame is not agreed when on": old_offer,
        "context takeover against client_no_context_takeover closes with 1007": takeover,
        "uncompressed messages are accepted after negotiation": uncompressed,
    },
}


def main():
    parser = argparse.ArgumentParser()
    for option in ("--fanfare", "--logs"):
        parser.add_argument(option, type=lambda path: pathlib.Path(path).absolute(), required=True)
    arguments = parser.parse_args()
    arguments.logs.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    clean = True
    for number, (settings, checks) in enumerate(CHECKS.items()):
        with serving(arguments, f"apple-{number}.server.log", *settings):
            for name, body in checks.items():
                try:
                    body()
                    print(f"ok Apple: {name}", flush=True)
                except Exception as fault:
                    clean = False
                    print(f"not ok Apple: {name}: {type(fault).__name__} {fault}".replace("\n", " "), flush=True)
    return 0 if clean else 1


sys.exit(main())
