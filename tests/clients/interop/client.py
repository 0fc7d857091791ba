"""The checks of a WebSocket library in Python. Runs in the asyncio loop of the program.

A program calls `main` with a function that opens a connection of its library.
"""

import asyncio
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parents[1]))

from scenario import LARGE, Conductor, check, exit_code, padded, same, until  # noqa: E402

MESSAGES = 500
EVERY_BYTE = bytes(range(256)) * 2048


class Connection:
    """What a program must provide: `send` and `close`, and these members filled while it receives."""

    def __init__(self):
        self.messages = []
        self.close_code = None
        self.fault = None

    async def received(self, count):
        enough = lambda: len(self.messages) >= count or self.fault or self.close_code
        await until(enough, lambda: f"{count} messages, got {len(self.messages)}")
        if len(self.messages) < count:
            raise AssertionError(f"{len(self.messages)} of {count}: {self.fault} {self.close_code}")
        return self.messages[:count]


class Scenario:
    def __init__(self, name, base, conductor, opener):
        self.name, self.base, self.conductor, self.opener = name, base, conductor, opener

    async def open(self, path, compressed=True):
        return await self.opener(self.base + path, compressed)

    async def publish(self):
        query = {"topic": "order", "count": MESSAGES, "from": self.name}
        await self.conductor.ask("/publish", **query)
        return [padded(self.name, n) for n in range(MESSAGES)]

    async def in_order(self, compressed):
        connection = await self.open("/raw?topic=order", compressed)
        expected = await self.publish()
        same(await connection.received(MESSAGES), expected, "messages")
        await connection.close()

    async def lines(self, connection, count):
        """Waits for lines of the client protocol that are no pings. Answers pings."""
        pings = 0
        while True:
            lines = "\n".join(connection.messages).split("\n")
            while pings < lines.count("{}"):
                await connection.send("{}")
                pings += 1
            lines = [line for line in lines if line not in ("", "{}")]
            if len(lines) >= count:
                return lines
            await connection.received(len(connection.messages) + 1)

    async def client_protocol(self):
        connection = await self.open("/connection/websocket")
        await connection.send('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"order"}}')
        welcome, reply = await self.lines(connection, 2)
        assert welcome.startswith('{"id":1,"connect":{'), welcome
        same(reply, '{"id":2,"subscribe":{}}', "reply")
        push = '{"push":{"channel":"order","pub":{"data":%s}}}'
        expected = [push % payload for payload in await self.publish()]
        same((await self.lines(connection, 2 + MESSAGES))[2:], expected, "pushes")
        await connection.close()

    async def identical(self, topic, payload):
        connection = await self.open(f"/raw?topic={topic}")
        body = payload if isinstance(payload, bytes) else payload.encode()
        await self.conductor.ask("/publish", body, topic=topic)
        same(await connection.received(1), [payload], "payload")
        await connection.close()

    async def drains(self):
        connection = await self.open("/raw?topic=drain")
        await self.conductor.ask("/restart", how="drain")
        await until(lambda: connection.close_code or connection.fault, "the close")
        same((connection.close_code, connection.fault), (3001, None), "close code and fault")

    async def run(self):
        await check("500 messages on /raw, compressed", lambda: self.in_order(True))
        await check("500 messages on /raw, without compression", lambda: self.in_order(False))
        await check("500 messages in the client protocol", self.client_protocol)
        await check("512 KiB of text", lambda: self.identical("text:large", LARGE))
        await check("512 KiB of binary", lambda: self.identical("binary:large", EVERY_BYTE))
        await check("a drain closes with 3001", self.drains)


def main(name, opener):
    """Runs all checks. The arguments of the program are the base URL and the control URL."""
    base, control = sys.argv[1:3]
    asyncio.run(Scenario(name, base, Conductor(control), opener).run())
    print("done")
    sys.exit(exit_code())
