"""Sends ZeroMQ messages that are not valid publications. /metrics counts each of them, and the next
publication is delivered.

Arguments: pull, sub, router, control URL, metrics URL.
"""

import asyncio
import re
import sys
import time
import urllib.request

import zmq
import zmq.asyncio
from scenario import Conductor, check, exit_code, same, until

PULL, SUB, ROUTER, CONTROL, METRICS = sys.argv[1:6]
CONDUCTOR = Conductor(CONTROL)
CONTEXT = zmq.asyncio.Context()
PROMPT_S = 1.0

MALFORMED = {
    "one empty part": [b""],
    "one part": [b"topic"],
    "four parts": [b"topic", b"{}", b"{}", b"{}"],
    "empty topic": [b"", b"{}"],
    "invalid UTF-8 topic": [b"\xc3\x28", b"{}"],
    "256 bytes of topic": [b"x" * 256, b"{}"],
    "control character in the topic": [b"a\nb", b"{}"],
    "empty payload in a JSON namespace": [b"topic", b""],
    "truncated JSON": [b"topic", b'{"a":'],
    "two JSON values": [b"topic", b"{} {}"],
    "JSON nested 10,000 deep": [b"topic", b"[" * 10_000 + b"]" * 10_000],
    "invalid UTF-8 in JSON": [b"topic", b'"\xff"'],
    "invalid UTF-8 in a text namespace": [b"text:notes", b"\xff"],
    "meta that is no object": [b"topic", b"{}", b"1"],
    "10 MiB payload": [b"topic", b'"' + b"x" * (10 << 20) + b'"'],
    "64 parts": [b"part"] * 64,
}
witnessed = 0


def rejected():
    """Returns the number of rejected messages for all reasons."""
    with urllib.request.urlopen(METRICS) as answer:
        text = answer.read().decode()
    values = re.findall(r"^fanfare_rejected(?:_total)?(?:\{.*\})? ([0-9.]+)$", text, re.MULTILINE)
    assert values, "no fanfare_rejected in /metrics"
    return sum(float(value) for value in values)


async def through(socket, route):
    """A valid publication reaches a client within PROMPT_S."""
    global witnessed
    await socket.send_multipart([*route, b"from", b'{"from":"malformed","n":%d}' % witnessed])
    start = time.monotonic()
    witnessed += 1
    got = await CONDUCTOR.ask("/received", **{"from": "malformed", "count": witnessed})
    took = time.monotonic() - start
    same(len(got), witnessed, "arrived")
    assert took < PROMPT_S, f"the next publication took {took:.1f} s"


def survives(kind, endpoint, frames, route=()):
    async def body():
        with CONTEXT.socket(kind) as socket:
            socket.sndtimeo, socket.linger = 10_000, 10_000
            socket.connect(endpoint)
            await through(socket, route)
            before = rejected()
            await socket.send_multipart([*route, *frames])
            await through(socket, route)
            await until(lambda: rejected() == before + 1, lambda: f"{before + 1} rejected, {rejected()}", 5)

    return body


async def main():
    for name, frames in MALFORMED.items():
        await check(f"PUSH: {name}", survives(zmq.PUSH, PULL, frames))
    for name in ("one part", "invalid UTF-8 topic", "10 MiB payload"):
        await check(f"DEALER: {name}", survives(zmq.DEALER, ROUTER, MALFORMED[name], [b"id", b""]))
    await check("DEALER: nothing after the delimiter", survives(zmq.DEALER, ROUTER, [], [b"id", b""]))
    print("done")


asyncio.run(main())
sys.exit(exit_code())
