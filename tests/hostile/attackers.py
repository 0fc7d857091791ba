"""The attacking clients: one process with a low priority that sends prepared bytes.

An attacker whose connection ends connects again after a pause. Its bytes are those of a kind: what
it sends first, and what it then repeats as fast as the core allows, or one byte at an interval.
"""

import collections
import dataclasses
import errno
import multiprocessing
import os
import select
import socket
import time

from bounds import BODY_BYTES
from honest import UPGRADE

IP_BIND_ADDRESS_NO_PORT = 24
# Several addresses, because one has 28,232 local ports at Debian's defaults.
SOURCES = [f"127.0.0.{number}" for number in range(2, 10)]
CONNECTING, CONNECT_S, PAUSE_S = 256, 30, 0.1
# About one receive buffer of the server in each send, so that the attackers' core sends more than the
# server's core reads.
FRAGMENTS_PER_SEND, PINGS_PER_SEND = 600, 400
SEND_BUFFER_BYTES = 16 * 1024
# Below the honest clients on the same core.
ATTACKER_NICE = 10
MASK = b"\x11\x22\x33\x44"


@dataclasses.dataclass
class Kind:
    """`ready` ends the answer after which an attacker is connected. Without it, the connection is
    enough. `first` is sent at once, `started` after that and then `repeated`."""

    first: bytes
    ready: bytes = b""
    started: bytes = b""
    repeated: bytes = b""
    byte_interval_s: float = 0
    pause_s: float = PAUSE_S


def masked_frame(first, payload):
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    key = (MASK * (size // 4 + 1))[:size]
    data = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return bytes([first]) + length + MASK + data.to_bytes(size, "big")


def kinds(host):
    upgrade = UPGRADE.format(target="/connection/websocket", host=host).encode()
    protocol = {"first": upgrade + masked_frame(0x81, b'{"id":1,"connect":{}}'), "ready": b'"connect"'}
    raw_upgrade = UPGRADE.format(target="/raw?topic=attack", host=host).encode()
    raw = {"first": raw_upgrade, "ready": b"\r\n\r\n"}
    filler = b"x" * 60_000
    fragments = masked_frame(0x00, b" ") * FRAGMENTS_PER_SEND
    unknown = masked_frame(0x81, b'{"id":2,"unknown":{"data":"%s"}}' % filler)
    refused = masked_frame(0x81, b'{"id":3,"publish":{"channel":"attack","data":"%s"}}' % filler)
    body = f"POST /publish HTTP/1.1\r\nHost: {host}\r\nContent-Length: {BODY_BYTES}\r\n\r\n".encode()
    body += b'{"channel":"attack","data":"'
    return {
        "fragments": Kind(**protocol, started=masked_frame(0x01, b"{"), repeated=fragments),
        "large messages": Kind(**protocol, repeated=unknown + refused),
        "half handshakes": Kind(upgrade[: len(upgrade) // 2]),
        "slow frames": Kind(**protocol, repeated=unknown, byte_interval_s=2),
        "ping floods": Kind(**raw, repeated=masked_frame(0x89, b"ping") * PINGS_PER_SEND),
        "idle": Kind(b"", pause_s=1),
        "bodies": Kind(body + b"x" * (BODY_BYTES - len(body)), pause_s=1),
    }


class Attacker:
    """One connection. `rest` is what is left of the bytes that it sends at the moment."""

    def __init__(self, source, address):
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # On loopback, these bytes are the memory of the server's host, and attackers elsewhere have
        # their own. Thousands of default buffers exceed net.ipv4.tcp_mem.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        # A reset at the end leaves no port in TIME_WAIT.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.bind((source, 0))
        if self.socket.connect_ex(address) not in (0, errno.EINPROGRESS):
            raise OSError("connect")
        self.rest, self.received = b"", b""
        self.connected = self.open = self.attacking = False


class Attack:
    """All attackers, in the process that `Attackers` starts."""

    def __init__(self, address, kind, count, commands):
        self.address, self.kind, self.count, self.commands = address, kind, count, commands
        self.poll, self.attackers, self.started = select.epoll(), {}, False
        self.absent, self.connecting, self.open_count = collections.deque([0.0] * count), 0, 0
        self.sent_bytes, self.ends, self.sources = 0, collections.Counter(), 0
        self.timed = collections.deque()
        self.poll.register(commands, select.EPOLLIN)

    def run(self):
        while True:
            self.connect_some()
            for number, events in self.poll.poll(0.002 if self.absent or self.timed else 0.05, 512):
                if number == self.commands.fileno():
                    if not self.command(self.commands.recv()):
                        return
                elif attacker := self.attackers.get(number):
                    self.guarded(attacker, events)
            if self.started and self.kind.byte_interval_s:
                self.send_single_bytes()

    def command(self, name):
        if name == "start":
            self.started = True
            for attacker in self.attackers.values():
                if attacker.open:
                    self.begin(attacker)
        elif name == "count":
            self.commands.send(self.open_count)
        elif name == "stop":
            self.commands.send((self.sent_bytes, dict(self.ends)))
        return name != "stop"

    def connect_some(self):
        now = time.monotonic()
        while self.absent and self.absent[0] <= now and self.connecting < CONNECTING:
            self.absent.popleft()
            attacker = Attacker(SOURCES[self.sources % len(SOURCES)], self.address)
            self.sources, self.connecting = self.sources + 1, self.connecting + 1
            self.attackers[attacker.socket.fileno()] = attacker
            self.poll.register(attacker.socket, select.EPOLLIN | select.EPOLLOUT)

    def guarded(self, attacker, events):
        try:
            if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                self.receive(attacker)
            elif events & select.EPOLLOUT:
                self.write(attacker)
        except BlockingIOError:
            pass
        except ConnectionError as error:
            self.end(attacker, type(error).__name__)

    def receive(self, attacker):
        received = attacker.socket.recv(1 << 16)
        if not received:
            close = attacker.received.rpartition(b"\x88")
            code = int.from_bytes(close[2][1:3], "big") if close[1] else "no close frame"
            return self.end(attacker, code)
        attacker.received = (attacker.received + received)[-200:]
        if not attacker.open and self.kind.ready in attacker.received:
            self.opened(attacker)

    def write(self, attacker):
        if not attacker.connected:
            attacker.connected, attacker.rest = True, memoryview(self.kind.first)
            if not self.kind.ready:
                self.opened(attacker)
        if not attacker.rest:
            repeats = attacker.attacking and not self.kind.byte_interval_s
            attacker.rest = memoryview(self.kind.repeated if repeats else b"")
        if not attacker.rest:
            return self.poll.modify(attacker.socket, select.EPOLLIN)
        sent = attacker.socket.send(attacker.rest)
        self.sent_bytes += sent
        attacker.rest = attacker.rest[sent:]

    def opened(self, attacker):
        attacker.open, self.connecting, self.open_count = True, self.connecting - 1, self.open_count + 1
        if self.started:
            self.begin(attacker)

    def begin(self, attacker):
        attacker.attacking = True
        attacker.rest = memoryview(bytes(attacker.rest) + self.kind.started)
        if self.kind.byte_interval_s:
            attacker.bytes = iter(self.kind.repeated)
            self.timed.append((time.monotonic(), attacker))
        self.poll.modify(attacker.socket, select.EPOLLIN | select.EPOLLOUT)

    def send_single_bytes(self):
        now = time.monotonic()
        while self.timed and self.timed[0][0] <= now:
            _, attacker = self.timed.popleft()
            if not attacker.open:
                continue
            try:
                self.sent_bytes += attacker.socket.send(bytes([next(attacker.bytes)]))
                self.timed.append((now + self.kind.byte_interval_s, attacker))
            except ConnectionError as error:
                self.end(attacker, type(error).__name__)

    def end(self, attacker, reason):
        self.ends[reason] += 1
        del self.attackers[attacker.socket.fileno()]
        self.poll.unregister(attacker.socket)
        attacker.socket.close()
        if attacker.open:
            attacker.open, self.open_count = False, self.open_count - 1
        else:
            self.connecting -= 1
        self.absent.append(time.monotonic() + self.kind.pause_s)


def serve(address, kind, count, commands, core):
    os.sched_setaffinity(0, {core})
    os.nice(ATTACKER_NICE)
    Attack(address, kind, count, commands).run()


class Attackers:
    """The process of the attackers of one kind. With `everyone`, they begin when all are connected."""

    def __init__(self, address, kind, count, core, everyone=True):
        host, port = address.split(":")
        self.count = count if everyone else 0
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        parameters = ((host, int(port)), kinds(address)[kind], count, other, core)
        self.process = context.Process(target=serve, args=parameters, daemon=True)

    def __enter__(self):
        self.process.start()
        deadline = time.monotonic() + CONNECT_S
        # Some have ended again while the last ones connect, such as those with half a handshake.
        while (connected := self._ask("count")) < 0.95 * self.count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{connected} of {self.count} attackers connected within {CONNECT_S} s")
            time.sleep(0.05)
        return self

    def start(self):
        self.pipe.send("start")

    def stop(self):
        """Ends all connections. Returns the bytes sent and the number of ends by reason."""
        answer = self._ask("stop")
        self.process.join(30)
        return answer

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()

    def _ask(self, command):
        self.pipe.send(command)
        if not self.pipe.poll(30):
            raise RuntimeError(f"the attackers did not answer to {command} within 30 s")
        return self.pipe.recv()
