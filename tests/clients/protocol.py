"""Tests the client protocol at the level of messages, with the package `websockets`.

Arguments: client URL, control URL, pull endpoint.
"""

import asyncio
import json
import sys
import threading
import time

import websockets
import zmq
from scenario import Conductor, check, clip, exit_code, same

URL, CONTROL, PULL = sys.argv[1:4]
CONDUCTOR = Conductor(CONTROL)
WAIT_S = 15
TOGGLE_S = 10
TOGGLES_PER_S = 100
RATE = 1000


class Wire:
    """A connection that sends commands and reads replies and pushes, one line at a time."""

    def __init__(self):
        self.id = 0
        self.lines = []

    async def __aenter__(self):
        self.socket = await websockets.connect(URL, max_size=None, proxy=None, ping_interval=None)
        same((await self.call(connect={}))["connect"]["client"] != "", True, "client id")
        return self

    async def __aexit__(self, *_):
        await self.socket.close()

    async def send(self, *commands):
        numbered = []
        for command in commands:
            self.id += 1
            numbered.append(json.dumps({"id": self.id, **command}))
        await self.socket.send("\n".join(numbered))
        return self.id

    async def line(self):
        """Returns the next reply or push. Answers pings."""
        while True:
            while not self.lines:
                text = await asyncio.wait_for(self.socket.recv(), WAIT_S)
                self.lines = text.strip("\n").split("\n")
            line = json.loads(self.lines.pop(0))
            if line:
                return line
            await self.socket.send("{}")

    async def call(self, **command):
        sent = await self.send(command)
        while (line := await self.line()).get("id") != sent:
            pass
        return line

    async def error(self, **command):
        return (await self.call(**command)).get("error", {}).get("code")

    async def closes(self):
        """Waits until the server closes the connection, and returns the close code."""
        try:
            while True:
                await asyncio.wait_for(self.socket.recv(), WAIT_S)
        except websockets.ConnectionClosed:
            return self.socket.close_code


async def batch():
    async with Wire() as wire:
        await wire.send(*({"subscribe": {"channel": f"batch{n}"}} for n in range(50)))
        replies = [await wire.line() for _ in range(50)]
        same([reply["id"] for reply in replies], list(range(2, 52)), "reply ids")
        same([reply for reply in replies if "subscribe" not in reply], [], "refusals")


async def errors():
    async with Wire() as wire:
        same(await wire.error(subscribe={"channel": "twice"}), None, "subscribe")
        same(await wire.error(subscribe={"channel": "twice"}), 105, "subscribe twice")
        same(await wire.error(subscribe={"channel": ""}), 107, "empty channel")
        same(await wire.error(subscribe={"channel": "a\u0000"}), 107, "control character")
        same(await wire.error(publish={"channel": "twice", "data": 1}), 103, "publish")
        for method in ("presence", "presence_stats", "history"):
            same(await wire.error(**{method: {"channel": "twice"}}), 108, method)
        same(await wire.error(subscribe={"channel": "still served"}), None, "afterwards")


async def too_many_topics():
    async with Wire() as wire:
        for n in range(128):
            same(await wire.error(subscribe={"channel": f"topic{n}"}), None, n)
        same(await wire.error(subscribe={"channel": "one more"}), 106, "topic 129")


async def terminal(text):
    async with Wire() as wire:
        await wire.socket.send(text)
        code = await wire.closes()
        assert 3500 <= code < 4000, f"closed with {code}"


async def not_connected():
    async with websockets.connect(URL, proxy=None) as socket:
        await socket.send('{"id":1,"subscribe":{"channel":"a"}}')
        try:
            while True:
                await asyncio.wait_for(socket.recv(), WAIT_S)
        except websockets.ConnectionClosed:
            assert 3500 <= socket.close_code < 4000, f"closed with {socket.close_code}"


async def message_too_big():
    async with Wire() as wire:
        await wire.socket.send("x" * (64 * 1024 + 1))
        same(await wire.closes(), 1009, "close code")


async def no_pong():
    async with Wire() as wire:
        start = time.monotonic()
        code = await wire.closes()
        took = time.monotonic() - start
        same(code, 3012, "close code")
        assert 2 < took < 6, f"after {took:.1f} s"


class Stream(threading.Thread):
    """Pushes {"n":0}, {"n":1}, ... at RATE per second. `sent` is the next number."""

    def __init__(self, topic):
        super().__init__(daemon=True)
        self.topic, self.sent, self.stopped = topic, 0, False

    def run(self):
        with zmq.Context.instance().socket(zmq.PUSH) as socket:
            socket.connect(PULL)
            start = time.monotonic()
            while not self.stopped:
                while self.sent < (time.monotonic() - start) * RATE:
                    number, self.sent = self.sent, self.sent + 1
                    socket.send_multipart([self.topic.encode(), b'{"n":%d}' % number])
                time.sleep(0.001)


async def toggle():
    """No publication arrives after an unsubscribe reply, and none is missing after a subscribe
    reply."""
    stream = Stream("toggled")
    stream.start()
    windows, pause = 0, 1 / TOGGLES_PER_S
    try:
        async with Wire() as wire:
            for _ in range(TOGGLE_S * TOGGLES_PER_S // 2):
                await wire.send({"subscribe": {"channel": "toggled"}})
                reply = await wire.line()
                assert "subscribe" in reply, f"after the unsubscribe reply: {reply}"
                next_number = stream.sent
                await asyncio.sleep(pause)
                await wire.send({"unsubscribe": {"channel": "toggled"}})
                numbers = []
                while "push" in (line := await wire.line()):
                    numbers.append(line["push"]["pub"]["data"]["n"])
                assert "unsubscribe" in line, f"expected the unsubscribe reply: {line}"
                await asyncio.sleep(pause)
                same(numbers, sorted(set(numbers)), "in a window")
                if numbers:
                    windows += 1
                    promised = range(next_number, numbers[-1] + 1)
                    missing = sorted(set(promised) - set(numbers))
                    same(missing, [], f"missing, sent after the subscribe reply, of {clip(numbers)}")
    finally:
        stream.stopped = True
    toggles = TOGGLE_S * TOGGLES_PER_S // 2
    assert windows > toggles // 2, f"publications in {windows} of {toggles} windows"


async def main():
    checks = {
        "a batch of 50 commands": batch,
        "errors 103, 105, 107, 108": errors,
        "topic 129 gets error 106": too_many_topics,
        "an invalid message closes with a terminal code": lambda: terminal("garbage"),
        "an invalid command id closes with a terminal code": lambda: terminal('{"id":"x","connect":{}}'),
        "a command before connect closes with a terminal code": not_connected,
        "64 KiB and one byte closes with 1009": message_too_big,
        "a missing pong closes with 3012": no_pong,
        "a topic toggled 100 times a second": toggle,
    }
    for name, body in checks.items():
        await check(name, body)
    print("done")


asyncio.run(main())
sys.exit(exit_code())
