"""The honest clients: one process that measures the pings and deliveries of all of them.

Half of the clients use the client protocol, half use /raw. Every client subscribes to the topic of
each publisher and sends a WebSocket ping each second. A publication carries the name of its
publisher, a number that increases by one, and the time at which it was sent.
"""

import collections
import multiprocessing
import os
import re
import select
import socket
import time

from bounds import CLIENTS, PING_INTERVAL_S, PUBLISH_INTERVALS_S

TOPICS = list(PUBLISH_INTERVALS_S)
HANDSHAKE_S = 10
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
PUBLICATION = re.compile(rb'\{"p":"(\w+)","n":(\d+),"t":(\d+)\}')
UPGRADE = (
    "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def payload(publisher, number):
    return b'{"p":"%s","n":%d,"t":%d}' % (publisher.encode(), number, time.monotonic_ns())


def frame(opcode, data):
    """Returns a frame of at most 65,535 bytes with a mask of zeros, which changes nothing."""
    size = len(data)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + bytes(4) + data


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


class Client:
    """One connection. `next` is the number that each topic must continue with."""

    def __init__(self, address, raw):
        self.raw, self.close_code = raw, None
        self.buffer, self.outstanding = b"", {}
        self.next = dict.fromkeys(TOPICS, 1)
        query = "&".join(f"topic={topic}" for topic in TOPICS)
        target = f"/raw?{query}" if raw else "/connection/websocket"
        self.socket = socket.create_connection(address, HANDSHAKE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(UPGRADE.format(target=target, host=f"{address[0]}:{address[1]}").encode())
        self._receive_until(b"\r\n\r\n")
        if b" 101 " not in self.buffer:
            raise RuntimeError(f"no upgrade: {self.buffer}")
        self.buffer = self.buffer.split(b"\r\n\r\n", 1)[1]
        if not raw:
            commands = ['{"id":1,"connect":{}}']
            for number, topic in enumerate(TOPICS, 2):
                commands.append(f'{{"id":{number},"subscribe":{{"channel":"{topic}"}}}}')
            self.socket.sendall(frame(TEXT, "\n".join(commands).encode()))
            self._receive_until(b'"id":%d,"subscribe":{}}' % (1 + len(TOPICS)))
            self.buffer = b""
        self.socket.setblocking(False)

    def _receive_until(self, end):
        while end not in self.buffer:
            received = self.socket.recv(1 << 16)
            if not received:
                raise RuntimeError(f"the connection ended: {self.buffer}")
            self.buffer += received

    def ping(self):
        now = time.monotonic_ns()
        self.outstanding[now] = True
        self.socket.send(frame(PING, now.to_bytes(8, "big")))

    def frames(self):
        """Yields the opcode and the payload of each complete frame that was received."""
        at, data = 0, self.buffer
        while len(data) - at >= 2:
            size, start = data[at + 1], at + 2
            if size >= 126:
                extended = 2 if size == 126 else 8
                size, start = int.from_bytes(data[start : start + extended], "big"), start + extended
            if len(data) < start + size:
                break
            yield data[at] & 0x0F, data[start : start + size]
            at = start + size
        self.buffer = data[at:]


class Record:
    """What was measured since the last call of `begin`. `pause_s` is the longest turn of the clients
    themselves: the host, and not the server, delayed them by so much."""

    def __init__(self):
        self.pings_ns, self.deliveries_ns, self.pause_s = [], [], 0
        self.missing = self.disordered = 0
        self.closed = collections.Counter()

    def report(self):
        quantiles = {
            f"{name}_{label}_ms": quantile(values, share) / 1e6
            for name, values in (("ping", self.pings_ns), ("delivery", self.deliveries_ns))
            for label, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        }
        return {
            **quantiles,
            "pings": len(self.pings_ns),
            "deliveries": len(self.deliveries_ns),
            "pause_ms": self.pause_s * 1e3,
            "missing": self.missing,
            "disordered": self.disordered,
            "closed": dict(self.closed),
        }


class Fleet:
    """All clients, in the process that `Honest` starts."""

    def __init__(self, address, commands):
        self.commands, self.record = commands, Record()
        self.clients, self.poll = {}, select.epoll()
        for number in range(CLIENTS):
            client = Client(address, raw=number % 2 == 0)
            self.clients[client.socket.fileno()] = client
            self.poll.register(client.socket, select.EPOLLIN)
        self.poll.register(commands, select.EPOLLIN)
        self.order, self.pinged, self.start = list(self.clients.values()), 0, time.monotonic()
        self.settling = None

    def run(self):
        self.commands.send("ready")
        turn = time.monotonic()
        while True:
            turn, last = time.monotonic(), turn
            self.record.pause_s = max(self.record.pause_s, turn - last)
            for number, _ in self.poll.poll(0.002):
                if number == self.commands.fileno():
                    if not self.command(*self.commands.recv()):
                        return
                else:
                    self.receive(self.clients[number])
            self.ping_due()
            self.settle_if_complete()

    def command(self, name, *arguments):
        if name == "begin":
            self.record = Record()
        elif name == "settle":
            numbers, timeout_s = arguments
            self.settling = numbers, time.monotonic() + timeout_s
        return name != "stop"

    def ping_due(self):
        due = int((time.monotonic() - self.start) * CLIENTS / PING_INTERVAL_S)
        while self.pinged < due:
            client = self.order[self.pinged % CLIENTS]
            if client.close_code is None:
                self.guarded(client, client.ping)
            self.pinged += 1

    def receive(self, client):
        self.guarded(client, lambda: self.read(client))

    def guarded(self, client, step):
        """Calls `step`, and counts the client as closed if its connection has failed."""
        try:
            step()
        except (ConnectionError, BlockingIOError):
            self.end(client, 1006)

    def read(self, client):
        received = client.socket.recv(1 << 18)
        now = time.monotonic_ns()
        if not received:
            return self.end(client, 1006)
        client.buffer += received
        for opcode, data in client.frames():
            if opcode == TEXT:
                self.take(client, data, now)
            elif opcode == PONG:
                sent = int.from_bytes(data, "big")
                del client.outstanding[sent]
                self.record.pings_ns.append(now - sent)
            elif opcode == PING:
                client.socket.send(frame(PONG, data))
            elif opcode == CLOSE:
                return self.end(client, int.from_bytes(data[:2], "big"))

    def take(self, client, data, now):
        if not client.raw and data == b"{}":
            client.socket.send(frame(TEXT, b"{}"))
        for topic, number, sent in PUBLICATION.findall(data):
            topic, number = topic.decode(), int(number)
            self.record.missing += max(0, number - client.next[topic])
            self.record.disordered += number < client.next[topic]
            client.next[topic] = max(client.next[topic], number + 1)
            self.record.deliveries_ns.append(now - int(sent))

    def end(self, client, code):
        if client.close_code is None:
            client.close_code = code
            self.unanswered(client.outstanding)
            self.record.closed[code] += 1
            self.poll.unregister(client.socket)
            client.socket.close()

    def unanswered(self, pings):
        """Counts pings without an answer with the time that they have waited."""
        self.record.pings_ns += [time.monotonic_ns() - sent for sent in pings]

    def settle_if_complete(self):
        """Answers `settle` when every open client has everything, or when the time is over."""
        if not self.settling:
            return
        numbers, deadline = self.settling
        clients = [client for client in self.order if client.close_code is None]
        behind = [client.next[topic] <= numbers[topic] for client in clients for topic in TOPICS]
        now = time.monotonic()
        sent_before_ns = (now - PING_INTERVAL_S) * 1e9
        old = [sent for client in clients for sent in client.outstanding if sent < sent_before_ns]
        if (any(behind) or old) and now < deadline:
            return
        for client in clients:
            lacking = [max(0, numbers[topic] + 1 - client.next[topic]) for topic in TOPICS]
            self.record.missing += sum(lacking)
        self.unanswered(old)
        self.settling = None
        self.commands.send(self.record.report())


def serve(address, commands, cores):
    os.sched_setaffinity(0, cores)
    Fleet(address, commands).run()


class Honest:
    """The process of the clients. `begin` starts a measurement, `settle` ends it."""

    def __init__(self, address, cores):
        host, port = address.split(":")
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=((host, int(port)), other, cores), daemon=True)

    def __enter__(self):
        self.process.start()
        self._answer(60)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()

    def begin(self):
        self.pipe.send(("begin",))

    def settle(self, numbers, timeout_s):
        """Waits until each client has received these numbers. Returns what was measured."""
        self.pipe.send(("settle", numbers, timeout_s))
        return self._answer(timeout_s + 30)

    def _answer(self, timeout_s):
        if not self.pipe.poll(timeout_s):
            raise RuntimeError(f"the honest clients did not answer within {timeout_s} s")
        return self.pipe.recv()
