"""pyzmq on PUSH, PUB, REQ and DEALER. Arguments: pull, sub, router, control URL."""

import asyncio
import sys

import zmq
import zmq.asyncio
from scenario import Conductor, check, exit_code, same

PULL, SUB, ROUTER, CONTROL = sys.argv[1:5]
CONDUCTOR = Conductor(CONTROL)
CONTEXT = zmq.asyncio.Context()
MESSAGES = 100


def connect(kind, endpoint):
    socket = CONTEXT.socket(kind)
    socket.sndtimeo = socket.rcvtimeo = 10_000
    socket.linger = 10_000
    socket.connect(endpoint)
    return socket


def publication(name, n):
    return [b"from", b'{"from":"pyzmq %s","n":%d}' % (name.encode(), n)]


async def arrived(name, probes=0):
    """Checks that a client received 0 to MESSAGES-1 in order. The probes of PUB (-1) are ignored."""
    query = {"from": f"pyzmq {name}", "count": MESSAGES + probes}
    got = await CONDUCTOR.ask("/received", **query)
    same([n for n in got if n >= 0], list(range(MESSAGES)), "arrived")


async def push():
    with connect(zmq.PUSH, PULL) as socket:
        for n in range(MESSAGES):
            await socket.send_multipart(publication("push", n))
        await arrived("push")


async def pub():
    """Sends probes until the subscription has reached the PUB socket, which drops messages before."""
    with connect(zmq.PUB, SUB) as socket:
        sent = 0
        while not await CONDUCTOR.ask("/received", **{"from": "pyzmq pub", "count": 0}):
            assert sent < 500, "no probe arrived"
            await socket.send_multipart(publication("pub", -1))
            sent += 1
            await asyncio.sleep(0.02)
        for n in range(MESSAGES):
            await socket.send_multipart(publication("pub", n))
        await socket.send_multipart(publication("pub end", 0))
        await CONDUCTOR.ask("/received", **{"from": "pyzmq pub end", "count": 1})
        await arrived("pub")


async def exchange(socket, *frames):
    await socket.send_multipart(frames)
    return await socket.recv_multipart()


async def req():
    with connect(zmq.REQ, ROUTER) as socket:
        for n in range(MESSAGES):
            same(await exchange(socket, *publication("req", n)), [b"ok"], "reply")
        same(await exchange(socket, b"meta", b"{}", b'{"key":"value"}'), [b"ok"], "with meta")
        await arrived("req")


async def refusals():
    refused = {
        "empty topic": [b"", b"{}"],
        "256 bytes of topic": [b"x" * 256, b"{}"],
        "control character": [b"a\x07", b"{}"],
        "invalid UTF-8": [b"\xff\xfe", b"{}"],
        "invalid JSON": [b"topic", b"{"],
        "one part": [b"topic"],
        "four parts": [b"topic", b"{}", b"{}", b"{}"],
        "meta that is no object": [b"topic", b"{}", b"[]"],
        "2 MiB": [b"topic", b'"' + b"x" * (2 << 20) + b'"'],
    }
    with connect(zmq.REQ, ROUTER) as socket:
        for name, frames in refused.items():
            reply = await exchange(socket, *frames)
            same((len(reply), reply[0]), (3, b"error"), name)
            assert reply[1] and reply[2].decode(), f"{name}: {reply}"
            same(await exchange(socket, b"topic", b"{}"), [b"ok"], f"after {name}")


async def dealer():
    with connect(zmq.DEALER, ROUTER) as socket:
        leading = [b"route", b"\x00\xff", b"x" * 300]
        for n in range(MESSAGES):
            route = [*leading[: n % 4], b""]
            reply = await exchange(socket, *route, *publication("dealer", n))
            same(reply, [*route, b"ok"], "reply")
        await arrived("dealer")


async def pipelined():
    """A DEALER can send requests without waiting. Replies arrive in the order of the requests."""
    with connect(zmq.DEALER, ROUTER) as socket:
        for n in range(MESSAGES):
            await socket.send_multipart([b"%d" % n, b"", *publication("pipeline", n)])
        replies = [await socket.recv_multipart() for _ in range(MESSAGES)]
        same(replies, [[b"%d" % n, b"", b"ok"] for n in range(MESSAGES)], "replies")
        await arrived("pipeline")


async def main():
    await check("PUSH", push)
    await check("PUB", pub)
    await check("REQ: replies", req)
    await check("REQ: refusals with code and text", refusals)
    await check("DEALER: the reply repeats the leading frames", dealer)
    await check("DEALER: 100 requests in flight", pipelined)
    print("done")


asyncio.run(main())
sys.exit(exit_code())
