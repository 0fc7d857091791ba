"""Sends the bytes that the SDKs for Swift, Dart and C# send, which cannot run on this machine.

The bytes are not recorded. They are derived from the published client.proto and from how the sources
of each SDK build and frame a command: its length as a varint, then its fields in the order of their
numbers, in a binary message. The replies are decoded by google.protobuf with the definitions in
centrifuge-python.

Arguments: client URL, control URL.
"""

import asyncio
import sys
from typing import NamedTuple

import centrifuge.protocol.client_pb2 as protocol
import websockets
from scenario import WAIT_S, Conductor, check, exit_code, same

URL, CONTROL = sys.argv[1:3]
CONDUCTOR = Conductor(CONTROL)
TOPIC = "chat:mobile"
PINGS = 3
PONG = "00"  # an empty command
REFUSED = "0e 0804 3a0a 0a04 6e657773 1202 7b7d"  # publish {} to `news`, id 4
UNSUBSCRIBE = "11 0805 320d 0a0b 636861743a6d6f62696c65"  # id 5
OFFER = "permessage-deflate"


class Sdk(NamedTuple):
    """What an SDK sends. `subscribe` and `publish` are one message if the SDK joins commands."""

    connect: str
    subscribe: str
    publish: str
    published: bytes
    joined: bool = False
    offers_deflate: bool = True
    deflated: bool = True
    agent: str = ""


SDKS = {
    # BinaryDelimited.serialize of swift-protobuf leaves out fields with their default value. The flag
    # 1 of a subscription offers numbers instead of topics, which this server does not use. Compression
    # is declined for NSURLSession (docs/PROTOCOL.md).
    "Swift": Sdk(
        connect="0b 0801 2207 2205 7377696674",
        subscribe="13 0802 2a0f 0a0b 636861743a6d6f62696c65 7001",
        publish="23 0803 3a1f 0a0b 636861743a6d6f62696c65 1210 7b2266726f6d223a227377696674227d",
        published=b'{"from":"swift"}',
        deflated=False,
        agent="Prices/7 CFNetwork/1496.0.7 Darwin/23.5.0",
    ),
    # The package protobuf of Dart writes a field that was set, even to its default value: the version
    # and the token are empty, and positioned, recoverable and join_leave are false.
    "Dart": Sdk(
        connect="0c 0801 2208 2204 64617274 2a00",
        subscribe="19 0802 2a15 0a0b 636861743a6d6f62696c65 1200 4800 5000 5800",
        publish="22 0803 3a1e 0a0b 636861743a6d6f62696c65 120f 7b2266726f6d223a2264617274227d",
        published=b'{"from":"dart"}',
    ),
    # Google.Protobuf leaves out default values. The SDK joins the commands of one millisecond, and
    # ClientWebSocket offers no compression unless asked to.
    "C#": Sdk(
        connect="15 0801 2211 2206 637368617270 2a07 312e302e302e30",
        subscribe="13 0802 2a0f 0a0b 636861743a6d6f62696c65 7001",
        publish="24 0803 3a20 0a0b 636861743a6d6f62696c65 1211 7b2266726f6d223a22637368617270227d",
        published=b'{"from":"csharp"}',
        joined=True,
        offers_deflate=False,
        deflated=False,
    ),
}


def decode(message):
    """Returns the replies of a message."""
    replies, at = [], 0
    while at < len(message):
        length = shift = 0
        while message[at] & 0x80:
            length |= (message[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
        length |= message[at] << shift
        at += 1
        replies.append(protocol.Reply.FromString(message[at : at + length]))
        at += length
    return replies


class Conversation:
    """A connection. Pings are answered and counted, and pushes are appended to `pushes`."""

    def __init__(self, socket):
        self.socket, self.pings, self.pushes, self.replies = socket, 0, [], {}

    async def send(self, *words):
        await self.socket.send(bytes.fromhex("".join(words)))

    async def until(self, condition):
        async with asyncio.timeout(WAIT_S):
            while not condition():
                message = await self.socket.recv()
                same(type(message), bytes, "type of the message")
                for reply in decode(message):
                    await self.take(reply)

    async def take(self, reply):
        if reply == protocol.Reply():
            self.pings += 1
            await self.send(PONG)
        elif reply.id:
            self.replies[reply.id] = reply
        else:
            same(reply.HasField("push"), True, "a push")
            self.pushes.append((reply.push.channel, reply.push.pub.data))

    async def reply(self, number):
        await self.until(lambda: number in self.replies)
        return self.replies[number]

    async def push(self, data):
        await self.until(lambda: self.pushes)
        same(self.pushes.pop(0), (TOPIC, data), "push")


async def converse(sdk):
    compression = "deflate" if sdk.offers_deflate else None
    async with websockets.connect(
        URL, subprotocols=["centrifuge-protobuf"], compression=compression,
        user_agent_header=sdk.agent or None, proxy=None, ping_interval=None,
    ) as socket:
        same(socket.subprotocol, "centrifuge-protobuf", "subprotocol")
        answer = socket.response.headers.get("Sec-WebSocket-Extensions", "")
        same(answer.startswith(OFFER), sdk.deflated, "permessage-deflate")
        talk = Conversation(socket)
        await talk.send(sdk.connect)
        connected = (await talk.reply(1)).connect
        same((connected.client != "", connected.ping, connected.pong), (True, 2, True), "connect")
        for message in [sdk.subscribe + sdk.publish] if sdk.joined else [sdk.subscribe, sdk.publish]:
            await talk.send(message)
        same((await talk.reply(2)).HasField("subscribe"), True, "subscribe")
        same((await talk.reply(3)).HasField("publish"), True, "publish")
        await talk.push(sdk.published)
        await CONDUCTOR.ask("/publish", b'{"from":"pyzmq"}', topic=TOPIC)
        await talk.push(b'{"from":"pyzmq"}')
        await talk.send(REFUSED)
        same((await talk.reply(4)).error.code, 103, "publish without permission")
        await talk.until(lambda: talk.pings >= PINGS)
        await talk.send(UNSUBSCRIBE)
        same((await talk.reply(5)).HasField("unsubscribe"), True, "unsubscribe")
        await CONDUCTOR.ask("/publish", b"1", topic=TOPIC)
        before = talk.pings
        await talk.until(lambda: talk.pings > before)
        same(talk.pushes, [], "pushes after the unsubscribe")


async def main():
    for name, sdk in SDKS.items():
        check_name = f"derived bytes of the {name} SDK: connect, subscribe, publish, pongs, unsubscribe"
        await check(check_name, lambda: converse(sdk))
    print("done")


asyncio.run(main())
sys.exit(exit_code())
