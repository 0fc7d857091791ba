"""Attacks of publishers: memory stays within its bound and returns, honest publishers go on.

The attackers write the bytes of ZMTP 3.0 themselves, because a ZeroMQ library would queue messages
in its own memory and has marks of its own.
"""

import os
import signal
import socket
import time

from bounds import GROWTH_MIB, MIB, OTHER_FLOOR_MS, REMAINING_MIB, RETURN_S, SENT_MIB, SHORT_ATTACK_S
from attackers import ATTACKER_NICE
from load import Child
from session import ATTACK_CORE, Session, judge

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
RECONNECT_S = 0.1


def part(data, more=True):
    if len(data) < 256:
        return bytes([more, len(data)]) + data
    return bytes([2 | more]) + len(data).to_bytes(8, "big") + data


def ready(kind):
    body = b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind
    return b"\x04" + bytes([len(body)]) + body


def correlated(kib):
    """Returns a publication whose reply repeats a frame of this size."""
    return part(bytes(kib * 1024)) + part(b"") + part(b"attack") + part(b"{}", more=False)


def published(payload):
    return part(b"attack") + part(payload, more=False)


def rejected(part_bytes):
    return part(bytes(part_bytes)) * 32 + part(bytes(part_bytes), more=False)


# The socket type of each kind of attack, and a function that returns the bytes that it repeats. An
# array of numbers takes longer to check than a text.
KINDS = {
    "flood of 1 MiB payloads": (b"PUSH", lambda: published(b'"' + b"x" * (MIB - 2) + b'"')),
    "load of reloads": (b"PUSH", lambda: published(b"[" + b"1," * 100_000 + b"1]")),
    "replies of 256 KiB never read": (b"DEALER", lambda: correlated(256)),
    "replies of 30 KiB never read": (b"DEALER", lambda: correlated(30)),
    "message of empty parts without end": (b"PUSH", lambda: part(b"") * 32_768),
    "message of 64 KiB parts without end": (b"PUSH", lambda: part(bytes(64 * 1024))),
    "rejected message of 33 x 20 MiB": (b"PUSH", lambda: rejected(20 * MIB)),
}


def connect(address, kind):
    """Returns a connection after the handshake. It has a small buffer for replies."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect(address)
    peer.sendall(GREETING + ready(kind))
    received = b""
    while b"READY" not in received:
        received += (got := peer.recv(64))
        if not got:
            raise ConnectionError("the connection ended in the handshake")
    return peer


def serve(address, name, counts, core):
    """Sends until the bytes of the attack are sent, and then keeps the connection open. `counts` are
    the bytes that were sent and the connections that the server has ended."""
    os.sched_setaffinity(0, {core})
    os.nice(ATTACKER_NICE)
    kind, repeated = KINDS[name][0], memoryview(KINDS[name][1]())
    while True:
        try:
            send(address, kind, repeated, SENT_MIB[name] * MIB, counts)
        except ConnectionError:
            counts[1] += 1
            time.sleep(RECONNECT_S)


def send(address, kind, repeated, budget_bytes, counts):
    peer, at = connect(address, kind), 0
    while counts[0] < budget_bytes:
        sent = peer.send(repeated[at : at + MIB])
        at = (at + sent) % len(repeated)
        counts[0] += sent
    signal.pause()


class HostilePublisher(Child):
    """The process of one attacking publisher."""

    def __init__(self, endpoint, name):
        host, port = endpoint.removeprefix("tcp://").split(":")
        self.counts = self.context.Array("Q", [0, 0], lock=False)
        super().__init__(serve, (host, int(port)), name, self.counts, ATTACK_CORE)


class Memory:
    """The growth of the server's resident memory since this was created."""

    def __init__(self, session):
        self.session, self.start_mib, self.peak_mib = session, session.resident_mib(), 0

    def grown_mib(self):
        grown = self.session.resident_mib() - self.start_mib
        self.peak_mib = max(self.peak_mib, grown)
        return grown

    def observe(self, duration_s):
        end = time.monotonic() + duration_s
        while time.monotonic() < end:
            self.grown_mib()
            time.sleep(0.01)

    def settle(self):
        """Waits until the memory has returned. Returns what remains and the time that it took."""
        start = time.monotonic()
        end = start + RETURN_S
        while (remaining := self.grown_mib()) > REMAINING_MIB and time.monotonic() < end:
            time.sleep(0.05)
        return remaining, time.monotonic() - start

    def judged(self, name):
        """Waits for the return. Returns the figures as a note, and those outside of their bounds."""
        remaining, took_s = self.settle()
        found = []
        if self.peak_mib > GROWTH_MIB[name]:
            found.append(f"memory grew by {self.peak_mib:.0f} MiB, above {GROWTH_MIB[name]}")
        if remaining > REMAINING_MIB:
            found.append(f"{remaining:.0f} MiB remain after {RETURN_S} s, above {REMAINING_MIB}")
        return f"memory +{self.peak_mib:.0f} MiB, +{remaining:.0f} {took_s:.1f} s after the attack", found


def attack(given, name):
    with Session(given, name) as session:
        session.measure_before()
        memory = Memory(session)
        session.begin()
        endpoint = session.node.router if KINDS[name][0] == b"DEALER" else session.node.pull
        with HostilePublisher(endpoint, name) as attacker:
            memory.observe(SHORT_ATTACK_S)
        figures = session.settle()
        note, found = memory.judged(name)
        sent_bytes, ends = attacker.counts
    assert sent_bytes > MIB, f"the attacker sent {sent_bytes} bytes"
    note = f"sent {sent_bytes / MIB:.0f} MiB, cut off {ends} times, {note}"
    return judge(figures, session.before, note, floor_ms=OTHER_FLOOR_MS, found=found)


def main(given, report):
    for name in [name for name in SENT_MIB if name in GROWTH_MIB]:
        report.check(name, attack, given, name)
