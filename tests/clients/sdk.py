"""centrifuge-python. Arguments: client URL, control URL, json or protobuf."""

import asyncio
import json
import logging
import sys

import centrifuge
from scenario import LARGE, UNICODE, Conductor, check, exit_code, numbers, same, until

CONDUCTOR = Conductor(sys.argv[2])
PROTOBUF = sys.argv[3] == "protobuf"


def encoded(data):
    """Returns data as the SDK publishes it: the bytes of the JSON text in the Protobuf form."""
    return json.dumps(data).encode() if PROTOBUF else data


class Session(centrifuge.ClientEventHandler):
    """A client that records its state changes. `async with` connects and disconnects it."""

    def __init__(self):
        self.connected, self.connecting, self.disconnected = 0, [], []
        self.client = centrifuge.Client(sys.argv[1], events=self, use_protobuf=PROTOBUF, proxy=None)

    async def __aenter__(self):
        await self.client.connect()
        await until(lambda: self.connected, "connected")
        return self

    async def __aexit__(self, *_):
        await self.client.disconnect()

    async def on_connecting(self, ctx):
        self.connecting.append(ctx.code)

    async def on_connected(self, ctx):
        self.connected += 1

    async def on_disconnected(self, ctx):
        self.disconnected.append(ctx.code)

    async def subscribe(self, topic):
        state = Topic(self.client, topic)
        await state.subscription.subscribe()
        await until(lambda: state.replies or state.refused is not None, f"a reply to subscribe {topic}")
        return state


class Topic(centrifuge.SubscriptionEventHandler):
    """A subscription and its received publications."""

    def __init__(self, client, topic):
        self.got, self.replies, self.refused = [], 0, None
        self.subscription = client.new_subscription(topic, events=self)

    async def on_publication(self, ctx):
        data = ctx.pub.data
        self.got.append(json.loads(data) if PROTOBUF else data)

    async def on_subscribed(self, ctx):
        self.replies += 1

    async def on_unsubscribed(self, ctx):
        self.refused = ctx.code

    async def received(self, expected, what):
        missing = lambda: f"{what}: {len(self.got)} of {len(expected)}"
        await until(lambda: len(self.got) >= len(expected), missing)
        same(self.got, expected, what)


async def connect():
    async with Session() as session:
        same(session.client.state, centrifuge.ClientState.CONNECTED, "state")
        subprotocol = "centrifuge-protobuf" if PROTOBUF else None
        same(session.client._conn.subprotocol, subprotocol, "subprotocol")


async def in_order():
    async with Session() as session:
        state = await session.subscribe("orders")
        await CONDUCTOR.ask("/publish", topic="orders", count=1000)
        await CONDUCTOR.ask("/publish", b'"last"', topic="orders")
        await state.received([*numbers(1000), "last"], "publications")


async def several_topics():
    async with Session() as session:
        topics = ["a", "b", "日本", "with space", "c" * 255]
        states = [await session.subscribe(topic) for topic in topics]
        for topic in topics:
            await CONDUCTOR.ask("/publish", topic=topic, count=100)
        for state, topic in zip(states, topics):
            await state.received(numbers(100), topic)


async def unsubscribe():
    async with Session() as session:
        state, marker = await session.subscribe("busy"), await session.subscribe("marker")
        await CONDUCTOR.ask("/stream", topic="busy", rate=500)
        await until(lambda: len(state.got) >= 50, "the stream")
        await state.subscription.unsubscribe()
        count = len(state.got)
        await asyncio.sleep(0.2)
        await CONDUCTOR.ask("/stop")
        await CONDUCTOR.ask("/publish", b"1", topic="marker")
        await marker.received([1], "marker")
        same(len(state.got), count, "after unsubscribe")
        same(state.got, numbers(count), "before unsubscribe")


async def unicode():
    async with Session() as session:
        state = await session.subscribe("unicode")
        await CONDUCTOR.ask("/publish", json.dumps({UNICODE: UNICODE}).encode(), topic="unicode")
        plain = json.dumps({UNICODE: UNICODE}, ensure_ascii=False).encode()
        await CONDUCTOR.ask("/publish", plain, topic="unicode")
        await state.received([{UNICODE: UNICODE}] * 2, "payload")


async def large():
    async with Session() as session:
        state = await session.subscribe("large")
        body = json.dumps(LARGE, ensure_ascii=False).encode()
        await CONDUCTOR.ask("/publish", body, topic="large")
        await state.received([LARGE], "payload")


async def invalid_topic():
    async with Session() as session:
        same((await session.subscribe("bell\x07")).refused, 107, "control character")
        same((await session.subscribe("x" * 256)).refused, 107, "256 bytes")


async def publish():
    async with Session() as session:
        try:
            await session.client.publish("news", encoded({"no": 1}))
            raise AssertionError("publish was allowed")
        except centrifuge.ReplyError as refusal:
            same(refusal.code, 103, "publish")
        state = await session.subscribe("chat:room")
        await session.client.publish("chat:room", encoded({"yes": 1}))
        await state.received([{"yes": 1}], "publication")


async def pings():
    async with Session() as session:
        await asyncio.sleep(6)  # more than two intervals and a pong timeout
        same((session.connected, len(session.connecting)), (1, 1), "connections")


async def resumes(how, code):
    async with Session() as session:
        state = await session.subscribe(how)
        answer = await CONDUCTOR.ask("/restart", how=how)
        back = lambda: session.connected == 2 and state.replies == 2
        await until(back, lambda: f"{session.connected} connects, {state.replies} replies", 30)
        same(session.connecting[1], code, "connecting code")
        await CONDUCTOR.ask("/publish", topic=how, count=100)
        await state.received(numbers(100), "after the restart")
        return answer["exit"]


async def drained():
    same(await resumes("drain", 3001), 0, "exit status")


async def terminal():
    async with Session() as session:
        await session.client._conn.send("this is not a command")
        await until(lambda: session.disconnected, "disconnected")
        code = session.disconnected[0]
        assert 3500 <= code < 4000, f"disconnected with {code}"
        await asyncio.sleep(2)  # longer than the first reconnect delay
        same(session.connected, 1, "connects")


async def main():
    logging.getLogger("centrifuge").setLevel(logging.CRITICAL)
    await check("connect", connect)
    await check("1,000 messages in order", in_order)
    await check("several topics", several_topics)
    await check("no message after unsubscribe", unsubscribe)
    await check("unicode", unicode)
    await check("large payload", large)
    await check("an invalid topic gets error 107", invalid_topic)
    await check("publish gets error 103 unless allowed", publish)
    await check("pings are answered", pings)
    await check("reconnect and resubscribe after kill -9", lambda: resumes("kill", 1))
    await check("a drain closes with 3001, then reconnect", drained)
    await check("a terminal code ends the client", terminal)
    print("done")


asyncio.run(main())
sys.exit(exit_code())
