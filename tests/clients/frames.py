"""A WebSocket client over a plain socket that gives access to headers and frames."""

import base64
import os
import socket
import struct
from typing import NamedTuple

TIMEOUT_S = 10
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Frame(NamedTuple):
    fin: bool
    rsv1: bool
    opcode: int
    payload: bytes


class Closed(Exception):
    """The server closed the connection. The code is 1006 if there was no close frame."""

    def __init__(self, code, reason=""):
        super().__init__(f"closed with {code} {reason}")
        self.code, self.reason = code, reason


class Peer:
    """One connection. `headers` contains the response headers, with names in lower case."""

    def __init__(self, address, target, offer=None, agent=None):
        self.socket = socket.create_connection(address, TIMEOUT_S)
        self.buffer = b""
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: {address[0]}:{address[1]}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        ]
        lines += [f"User-Agent: {agent}"] if agent else []
        lines += [f"Sec-WebSocket-Extensions: {offer}"] if offer else []
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        status, *fields = head.decode().split("\r\n")
        if not status.startswith("HTTP/1.1 101 "):
            raise RuntimeError(status)
        self.headers = {name.lower(): value.strip() for name, value in (f.split(":", 1) for f in fields)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def fill(self):
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(1006)
        self.buffer += data

    def take(self, count):
        while len(self.buffer) < count:
            self.fill()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def send(self, payload, opcode=TEXT, rsv1=False, fin=True):
        first = fin << 7 | rsv1 << 6 | opcode
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", first, 0x80 | size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", first, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", first, 0x80 | 127, size)
        mask = os.urandom(4)
        key = (mask * (size // 4 + 1))[:size]
        masked = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
        self.socket.sendall(head + mask + masked.to_bytes(size, "big"))

    def frame(self):
        """Returns the next data frame. Answers pings, and raises Closed for a close frame."""
        while True:
            first, size = self.take(2)
            if size >= 126:
                size = int.from_bytes(self.take(2 if size == 126 else 8), "big")
            frame = Frame(first >= 0x80, bool(first & 0x40), first & 0x0F, self.take(size))
            if frame.opcode == PING:
                self.send(frame.payload, PONG)
            elif frame.opcode == CLOSE:
                code = int.from_bytes(frame.payload[:2], "big") or 1005
                raise Closed(code, frame.payload[2:].decode())
            elif frame.opcode != PONG:
                return frame
