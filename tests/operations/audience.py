"""Subscribers that count the messages they receive, and a publisher."""

import asyncio
import threading

import websockets
import zmq

from node import until


class Audience:
    """Connections that read one topic each, in a separate thread. After each message, a connection
    pauses for `pause_s` and does not read. `compression` is the parameter of the package
    `websockets`: None or "deflate"."""

    def __init__(self, node, topics, pause_s=0, compression=None):
        self.url, self.topics, self.pause_s = f"ws://{node.ws}/raw?topic=", topics, pause_s
        self.options = {"max_queue": 1 if pause_s else None, "compression": compression}
        self.received, self.open, self.stop = 0, 0, None
        self.thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)

    def __enter__(self):
        self.thread.start()
        until(lambda: self.open == len(self.topics), 20, "every subscriber is connected")
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(10)

    def await_received(self, count, timeout_s=30):
        until(lambda: self.received >= count, timeout_s, f"{count} messages received")

    async def _all(self):
        self.loop, self.stop = asyncio.get_running_loop(), asyncio.Event()
        readers = [self.loop.create_task(self._one(topic)) for topic in self.topics]
        await self.stop.wait()
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)

    async def _one(self, topic):
        url = self.url + topic
        async with websockets.connect(url, ping_interval=None, **self.options) as socket:
            self.open += 1
            async for _ in socket:
                self.received += 1
                if self.pause_s:
                    await asyncio.sleep(self.pause_s)


class Sender:
    """A PUSH socket of pyzmq that is connected to the node."""

    def __init__(self, node):
        self.socket = zmq.Context.instance().socket(zmq.PUSH)
        self.socket.linger = 10_000
        self.socket.connect(node.pull)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, topic, payload=b'{"price":1}', meta=None):
        parts = [topic.encode(), payload]
        self.socket.send_multipart(parts if meta is None else [*parts, meta])
