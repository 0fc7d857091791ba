"""What clients of each form receive from JSON, text and binary namespaces: centrifuge-python in its
JSON and its Protobuf form, and `websockets` on /raw, on the same topics at the same time.

Arguments: client URL, raw URL, control URL.
"""

import asyncio
import base64
import contextlib
import json
import logging
import sys
import urllib.parse

import centrifuge
import websockets
from scenario import UNICODE, Conductor, check, exit_code, same, until

CLIENT, RAW, CONTROL = sys.argv[1:4]
CONDUCTOR = Conductor(CONTROL)
COUNT = 1000
EVERY_BYTE = bytes(range(256))
PAYLOADS = {
    "json": [
        b'{"a":1,"b":[true,null,-1.5e300,"\\u0000"]}',
        json.dumps(UNICODE).encode(),
        json.dumps(UNICODE, ensure_ascii=False).encode(),
        b'"%s"' % (b"x" * 300_000),
        b"0",
    ],
    "text": [b"not JSON: \"\n\t\\", UNICODE.encode(), b"", UNICODE.encode() * 3_000],
    "binary": [EVERY_BYTE, b"", b"\x00", b"\xff\xfe", EVERY_BYTE * 1_500],
}
NAMESPACES = {"json": "mixed", "text": "text:mixed", "binary": "binary:mixed"}
QUERIES = {"permessage-deflate": {}, "no compression": {"deflate": "0"}}


class Subscriber(centrifuge.SubscriptionEventHandler):
    """Appends the data of each publication to `got`."""

    def __init__(self):
        self.got, self.ready = [], False

    async def on_subscribed(self, ctx):
        self.ready = True

    async def on_publication(self, ctx):
        self.got.append(ctx.pub.data)


@contextlib.asynccontextmanager
async def sdk(topic, protobuf, query):
    """Subscribes with the SDK and returns the list of received data."""
    url = f"{CLIENT}?{urllib.parse.urlencode(query)}"
    client, subscriber = centrifuge.Client(url, use_protobuf=protobuf, proxy=None), Subscriber()
    await client.connect()
    await client.new_subscription(topic, events=subscriber).subscribe()
    await until(lambda: subscriber.ready, "subscribed")
    try:
        yield subscriber.got
    finally:
        await client.disconnect()


@contextlib.asynccontextmanager
async def raw(topic, query):
    """Subscribes on /raw and returns the list of received messages."""
    url = f"{RAW}?{urllib.parse.urlencode({'topic': topic, **query})}"
    got = []
    async with websockets.connect(url, max_size=None, proxy=None) as socket:

        async def read():
            async for message in socket:
                got.append(message)

        reader = asyncio.create_task(read())
        try:
            yield got
        finally:
            reader.cancel()


def in_json(kind, payload):
    """Returns the data that the JSON form of the SDK must return for a payload."""
    if kind == "json":
        return json.loads(payload)
    return payload.decode() if kind == "text" else base64.b64encode(payload).decode()


def in_protobuf(payload):
    """Returns the data that the Protobuf form must return. Protobuf does not transmit an empty field,
    for which this SDK returns None."""
    return payload or None


def on_raw(kind, payload):
    return payload if kind == "binary" else payload.decode()


async def receives(kind):
    """Publishes the payloads of one kind to all forms at once. Each must receive all, in order."""
    topic, sent = NAMESPACES[kind], [b'{"n":%d}' % n for n in range(COUNT)] + PAYLOADS[kind]
    async with contextlib.AsyncExitStack() as stack:
        subscribers = []
        for compression, query in QUERIES.items():
            json_form = await stack.enter_async_context(sdk(topic, False, query))
            protobuf_form = await stack.enter_async_context(sdk(topic, True, query))
            messages = await stack.enter_async_context(raw(topic, query))
            subscribers += [
                (f"JSON, {compression}", json_form, [in_json(kind, data) for data in sent]),
                (f"Protobuf, {compression}", protobuf_form, [in_protobuf(data) for data in sent]),
                (f"/raw, {compression}", messages, [on_raw(kind, data) for data in sent]),
            ]
        await CONDUCTOR.ask("/publish", topic=topic, count=COUNT)
        for payload in PAYLOADS[kind]:
            await CONDUCTOR.ask("/publish", payload, topic=topic)
        for name, got, expected in subscribers:
            await until(lambda: len(got) >= len(expected), lambda: f"{name}: {len(got)} of {len(expected)}")
            same(len(got), len(expected), f"{name}: publications")
            for number, (actual, wanted) in enumerate(zip(got, expected)):
                same(actual, wanted, f"{name}: publication {number}")


async def main():
    logging.getLogger("centrifuge").setLevel(logging.CRITICAL)
    for kind, form in (("json", "JSON text"), ("text", "UTF-8"), ("binary", "raw bytes")):
        name = f"one {kind} topic: JSON, Protobuf (as {form}) and /raw receive everything in order"
        await check(name, lambda: receives(kind))
    print("done")


asyncio.run(main())
sys.exit(exit_code())
