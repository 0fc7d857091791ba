"""`websockets` (pip) on /raw, and the HTTP responses to other requests.

Arguments: raw URL, control URL.
"""

import asyncio
import sys
import urllib.parse

import websockets
from scenario import LARGE, UNICODE, Conductor, check, exit_code, same

URL = sys.argv[1]
BASE = URL.removesuffix("/raw")
CONDUCTOR = Conductor(sys.argv[2])
EVERY_BYTE = bytes(range(256))
WAIT_S = 15


def connect(*topics, **options):
    query = urllib.parse.urlencode([("topic", topic) for topic in topics])
    return websockets.connect(f"{URL}?{query}", max_size=None, proxy=None, **options)


async def receive(socket):
    return await asyncio.wait_for(socket.recv(), WAIT_S)


async def in_order():
    async with connect("a", "b") as socket:
        await CONDUCTOR.ask("/publish", topic="a", count=1000)
        got = [await receive(socket) for _ in range(1000)]
        same(got, ['{"n":%d}' % n for n in range(1000)], "frames")
        await CONDUCTOR.ask("/publish", b"true", topic="b")
        same(await receive(socket), "true", "the second topic")


async def identical(topic, payload):
    async with connect(topic) as socket:
        body = payload if isinstance(payload, bytes) else payload.encode()
        await CONDUCTOR.ask("/publish", body, topic=topic)
        same(await receive(socket), payload, "payload")


async def ends(how, code):
    async with connect("ends") as socket:
        await CONDUCTOR.ask("/restart", how=how)
        try:
            await receive(socket)
            raise AssertionError("a frame instead of a close")
        except websockets.ConnectionClosed:
            same(socket.close_code, code, "close code")


async def pings():
    """`websockets` answers pings automatically. Its own pings are turned off."""
    async with connect("quiet", ping_interval=None) as socket:
        await asyncio.sleep(6)
        await CONDUCTOR.ask("/publish", b"1", topic="quiet")
        same(await receive(socket), "1", "after three intervals")


async def refused(path, status, origin=None):
    try:
        await websockets.connect(BASE + path, origin=origin, proxy=None)
        raise AssertionError("the handshake succeeded")
    except websockets.InvalidStatus as refusal:
        same(refusal.response.status_code, status, path)


async def plain_get():
    """The response to a request without Upgrade names the required protocol."""
    host, port = urllib.parse.urlsplit(URL).netloc.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /raw?topic=a HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAIT_S)).decode().lower()
    writer.close()
    assert head.startswith("http/1.1 426 "), head
    assert "sec-websocket-version: 13" in head and "upgrade: websocket" in head, head


async def main():
    checks = {
        "1,000 messages in order": in_order,
        "JSON, byte for byte": lambda: identical("json", '{ "k" : [1.0, 1e2],\t"é": "\\u00e9" }'),
        "text, byte for byte": lambda: identical("text:日本", UNICODE),
        "binary, byte for byte": lambda: identical("binary:x", EVERY_BYTE),
        "empty binary": lambda: identical("binary:empty", b""),
        "512 KiB of text": lambda: identical("text:large", LARGE),
        "512 KiB of binary": lambda: identical("binary:large", EVERY_BYTE * 2048),
        "pings are answered": pings,
        "an unknown path gets 404": lambda: refused("/nowhere", 404),
        "a foreign origin gets 403": lambda: refused("/raw?topic=a", 403, "http://elsewhere.example"),
        "a GET without upgrade gets 426": plain_get,
        "kill -9 closes with 1006": lambda: ends("kill", 1006),
        "a drain closes with 3001": lambda: ends("drain", 3001),
    }
    for name, body in checks.items():
        await check(name, body)
    print("done")


asyncio.run(main())
sys.exit(exit_code())
