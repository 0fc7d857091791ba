"""WebSockets in HTTP/2 streams (RFC 8441) through a proxy, with `h2` for HTTP/2 and `websockets` for
the frames. Arguments: host and port of the proxy, control URL.
"""

import asyncio
import pathlib
import sys

import h2.config
import h2.connection
import h2.events
import h2.settings
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Opcode
from websockets.protocol import CLIENT, Protocol

sys.path.append(str(pathlib.Path(__file__).parents[1]))

from scenario import LARGE, Conductor, check, exit_code, padded, same, until  # noqa: E402

HOST, PORT, CONTROL = sys.argv[1:4]
CONDUCTOR = Conductor(CONTROL)
MESSAGES = 500
MAX_SIZE = 4 << 20


class Stream:
    """One WebSocket in one HTTP/2 stream. `websockets` decodes the frames."""

    def __init__(self):
        self.headers = {}
        self.messages = []
        self.ended = None
        self.protocol = Protocol(CLIENT, max_size=MAX_SIZE)

    def answered(self, headers, offer):
        self.headers = {name.decode(): value.decode() for name, value in headers}
        if answer := self.headers.get("sec-websocket-extensions"):
            parameters = [(name.strip(), None) for name in answer.split(";")[1:]]
            self.protocol.extensions = [offer.process_response_params(parameters, [])]

    def receive(self, data):
        self.protocol.receive_data(data)
        for frame in self.protocol.events_received():
            if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
                text = frame.opcode is Opcode.TEXT
                self.messages.append(bytes(frame.data).decode() if text else bytes(frame.data))

    async def received(self, count):
        enough = lambda: len(self.messages) >= count or self.ended
        await until(enough, lambda: f"{count} messages, got {len(self.messages)}")
        return self.messages


class Connection:
    """One HTTP/2 connection. A task reads it and answers what the protocols answer."""

    def __init__(self):
        self.http2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        self.streams = {}
        self.offer = ClientPerMessageDeflateFactory()

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection(HOST, PORT)
        self.http2.initiate_connection()
        self.flush()
        self.task = asyncio.create_task(self.read())
        extended = lambda: self.http2.remote_settings.enable_connect_protocol
        await until(extended, "SETTINGS_ENABLE_CONNECT_PROTOCOL")
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        await self.task

    def flush(self):
        for stream_id, stream in self.streams.items():
            for data in stream.protocol.data_to_send():
                if not stream.ended and data:
                    self.http2.send_data(stream_id, data)
        self.writer.write(self.http2.data_to_send())

    async def read(self):
        while data := await self.reader.read(1 << 16):
            for event in self.http2.receive_data(data):
                self.handle(event)
            self.flush()

    def handle(self, event):
        stream = self.streams.get(getattr(event, "stream_id", 0))
        if isinstance(event, h2.events.ResponseReceived):
            stream.answered(event.headers, self.offer)
        elif isinstance(event, h2.events.DataReceived):
            self.http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            stream.receive(event.data)
        elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
            stream.ended = stream.ended or type(event).__name__

    async def open(self, path, compressed, **headers):
        """Opens a stream and waits for the status."""
        stream_id, stream = self.http2.get_next_available_stream_id(), Stream()
        self.streams[stream_id] = stream
        pseudo = {":method": "CONNECT", ":protocol": "websocket", ":scheme": "http", ":path": path}
        request = {**pseudo, ":authority": f"{HOST}:{PORT}", "sec-websocket-version": "13", **headers}
        if compressed:
            request["sec-websocket-extensions"] = "permessage-deflate; client_max_window_bits"
        self.http2.send_headers(stream_id, list(request.items()))
        self.flush()
        await until(lambda: stream.headers or stream.ended, "a status")
        return stream


async def opened(connection, path, compressed=True):
    stream = await connection.open(path, compressed)
    same(stream.headers.get(":status"), "200", "status")
    same("sec-websocket-extensions" in stream.headers, compressed, "compression")
    return stream


async def in_order(compressed):
    async with Connection() as connection:
        stream = await opened(connection, "/raw?topic=order", compressed)
        await CONDUCTOR.ask("/publish", **{"topic": "order", "count": MESSAGES, "from": "http2"})
        same(await stream.received(MESSAGES), [padded("http2", n) for n in range(MESSAGES)], "messages")


async def client_protocol():
    async with Connection() as connection:
        stream = await opened(connection, "/connection/websocket")
        stream.protocol.send_text(b'{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"order"}}')
        connection.flush()
        reply = '{"id":2,"subscribe":{}}'
        lines = lambda: "\n".join(stream.messages).split("\n")
        await until(lambda: reply in lines(), lambda: f"a reply, got {lines()}")
        await CONDUCTOR.ask("/publish", **{"topic": "order", "count": MESSAGES, "from": "http2"})
        push = '{"push":{"channel":"order","pub":{"data":%s}}}'
        pushes = lambda: [line for line in lines() if line.startswith('{"push"')]
        await until(lambda: len(pushes()) >= MESSAGES, lambda: f"pushes, got {len(pushes())}")
        same(pushes(), [push % padded("http2", n) for n in range(MESSAGES)], "pushes")


async def streams():
    """Several WebSockets share one HTTP/2 connection."""
    async with Connection() as connection:
        opening = [opened(connection, f"/raw?topic=t{n}&topic=all") for n in range(8)]
        sockets = [await each for each in opening]
        for n in range(8):
            await CONDUCTOR.ask("/publish", f"{n}".encode(), topic=f"t{n}")
        for n, stream in enumerate(sockets):
            same(await stream.received(1), [f"{n}"], f"stream {n}")
        await CONDUCTOR.ask("/publish", topic="all", count=100)
        for n, stream in enumerate(sockets):
            expected = [f"{n}", *('{"n":%d}' % m for m in range(100))]
            same(await stream.received(101), expected, f"stream {n}")


async def large():
    async with Connection() as connection:
        stream = await opened(connection, "/raw?topic=text:large")
        await CONDUCTOR.ask("/publish", LARGE.encode(), topic="text:large")
        same(await stream.received(1), [LARGE], "payload")


async def refused():
    async with Connection() as connection:
        stream = await connection.open("/raw?topic=a", False, origin="http://elsewhere.example")
        same(stream.headers.get(":status"), "403", "status")
        same((await connection.open("/nowhere", False)).headers.get(":status"), "404", "status")


async def drains():
    async with Connection() as connection:
        stream = await opened(connection, "/raw?topic=drain")
        await CONDUCTOR.ask("/restart", how="drain")
        await until(lambda: stream.protocol.close_rcvd, "a close frame")
        same(stream.protocol.close_rcvd.code, 3001, "close code")


async def main():
    await check("500 messages on /raw, compressed", lambda: in_order(True))
    await check("500 messages on /raw, without compression", lambda: in_order(False))
    await check("500 messages in the client protocol", client_protocol)
    await check("8 WebSockets in one connection", streams)
    await check("512 KiB of text", large)
    await check("403 and 404", refused)
    await check("a drain closes with 3001", drains)
    print("done")


asyncio.run(main())
sys.exit(exit_code())
