"""Tests the notifications to the service manager, and that a stopped thread ends WATCHDOG=1.

A Unix datagram socket takes the place of systemd's notification socket. A small supervisor acts as
systemd does: it sends SIGABRT and restarts the node when it receives no WATCHDOG=1 for a period.
"""

import ctypes
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import zmq

from node import Node, Report, arguments, until

PORTS = 18320
PERIOD_S = 2.0
PTRACE_ATTACH, PTRACE_DETACH, WALL = 16, 17, 0x40000000


class Manager:
    """A notification socket, with the received messages and their times."""

    def __init__(self, directory):
        self.path = str(pathlib.Path(directory) / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.messages = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while message := self.socket.recv(4096):
            lines = dict(line.split("=", 1) for line in message.decode().splitlines())
            self.messages.append((time.monotonic(), lines))

    def environment(self):
        period_us = str(int(PERIOD_S * 1e6))
        return {**os.environ, "NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": period_us}

    def times(self, variable, since=0.0):
        """Returns the times of the messages with `variable`, such as `WATCHDOG=1`."""
        name, value = variable.split("=")
        return [at for at, lines in list(self.messages) if lines.get(name) == value and at >= since]

    def next(self, variable, timeout_s=2 * PERIOD_S):
        """Waits for the next message with `variable` and returns its time."""
        now = time.monotonic()
        return until(lambda: self.times(variable, now), timeout_s, variable)[0]

    def lines(self, variable):
        """Returns the messages with `variable`."""
        name, value = variable.split("=")
        return [lines for _, lines in list(self.messages) if lines.get(name) == value]


class Watched:
    """A node with two shards that sends its notifications to a manager."""

    def __init__(self, given, name, base, settings=None):
        self.directory = tempfile.TemporaryDirectory()
        self.manager = Manager(self.directory.name)
        settings = {"cpu.shards": 2, **(settings or {})}
        self.node = Node(given.fanfare, given.logs / f"{name}.log", base, settings)
        self.node.log_path.unlink(missing_ok=True)

    def __enter__(self):
        saved = dict(os.environ)
        os.environ.update(self.manager.environment())
        try:
            self.node.__enter__()
        finally:
            os.environ.clear()
            os.environ.update(saved)
        return self

    def __exit__(self, *given):
        self.node.__exit__(*given)
        self.directory.cleanup()

    @property
    def process(self):
        return self.node.server.process

    def log(self):
        return re.sub(r"\x1b\[[0-9;]*m", "", self.node.log_path.read_text())

    def thread(self, name):
        """Returns the thread id of the thread with this name. glommio appends a number to the name
        and then starts a helper thread with the same name."""
        tasks = pathlib.Path(f"/proc/{self.node.pid}/task").iterdir()
        for task in sorted(tasks, key=lambda task: int(task.name)):
            if re.fullmatch(rf"{name}(-\d+)?", (task / "comm").read_text().strip()):
                return int(task.name)
        raise RuntimeError(f"no thread {name}")


class Stopped:
    """Stops one thread by ptrace while the others run. Only the thread that attached can detach."""

    def __init__(self, thread):
        self.thread = thread
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def _ptrace(self, request):
        if self.libc.ptrace(request, self.thread, None, None) < 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    def __enter__(self):
        self._ptrace(PTRACE_ATTACH)
        os.waitpid(self.thread, WALL)
        return self

    def __exit__(self, *_):
        try:
            self._ptrace(PTRACE_DETACH)
        except ProcessLookupError:  # The thread was killed. Its process ends after waitpid.
            os.waitpid(self.thread, WALL)


def readiness(watched):
    manager = watched.manager
    ready = until(lambda: manager.times("READY=1"), PERIOD_S, "READY=1")
    with urllib.request.urlopen(f"http://{watched.node.ws}/health", timeout=1) as answer:
        assert answer.status == 200
    assert len(ready) == 1, ready
    assert watched.manager.messages[0][1] == {"READY": "1"}, watched.manager.messages[0]


def not_before_all_is_bound(given):
    """If an address is in use, the start fails and READY=1 is never sent."""
    with tempfile.TemporaryDirectory() as directory, socket.socket() as taken:
        manager = Manager(directory)
        taken.bind(("127.0.0.1", PORTS + 18))
        taken.listen()
        node = Node(given.fanfare, given.logs / "taken.log", PORTS + 10)
        command = node.server.command + ["-s", f"ingest.router=tcp://127.0.0.1:{PORTS + 18}"]
        ended = subprocess.run(command, env=manager.environment(), capture_output=True, timeout=20)
        assert ended.returncode == 1, ended
        assert not manager.times("READY=1"), manager.messages


def rhythm(watched):
    manager = watched.manager
    manager.next("WATCHDOG=1")
    until(lambda: len(manager.times("WATCHDOG=1")) >= 5, 5 * PERIOD_S, "five WATCHDOG=1")
    times = manager.times("WATCHDOG=1")[:5]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    # Each gap is about half a period, and always less than a period.
    assert all(0.25 * PERIOD_S <= gap < PERIOD_S for gap in gaps), gaps
    counts = watched.node.stats()
    assert counts["total"]["connections"] == 2, counts["total"]
    assert counts["total"]["matched"] == counts["total"]["written"] > 0, counts["total"]
    return "every " + ", ".join(f"{gap:.2f}" for gap in gaps) + f" s of {PERIOD_S} s"


def whole_process(watched):
    manager = watched.manager
    manager.next("WATCHDOG=1")
    os.kill(watched.node.pid, signal.SIGSTOP)
    since = time.monotonic()
    time.sleep(1.5 * PERIOD_S)  # No message may arrive in this time.
    fed = manager.times("WATCHDOG=1", since + 0.05)
    os.kill(watched.node.pid, signal.SIGCONT)
    assert not fed, fed
    manager.next("WATCHDOG=1")


def one_thread(watched, name):
    manager = watched.manager
    manager.next("WATCHDOG=1")
    with Stopped(watched.thread(name)):
        since = time.monotonic()
        message = f"no canary comes back from {name}; the watchdog is not fed"
        until(lambda: watched.log().count(message), PERIOD_S, f"a log line that names {name}")
        named = time.monotonic() - since
        assert watched.node.get("/health"), "the admin port answers"
        other = {"shard-0": 1, "shard-1": 0}.get(name)
        if other is not None:
            turns = [shard["turns"] for shard in watched.node.stats()["shards"]]
            until(
                lambda: watched.node.stats()["shards"][other]["turns"] > turns[other],
                PERIOD_S,
                "turns of the other shard",
            )
        time.sleep(max(0, since + 1.25 * PERIOD_S - time.monotonic()))
        fed = manager.times("WATCHDOG=1", since)
    assert not fed, f"WATCHDOG=1 {fed[0] - since:.2f} s after the stop"
    manager.next("WATCHDOG=1")
    until(lambda: "canaries come back from every core" in watched.log(), PERIOD_S, "a log line about the recovery")
    return f"named after {named:.2f} s"


def reload(watched):
    manager = watched.manager
    ready = len(manager.times("READY=1"))
    since = time.monotonic()
    os.kill(watched.node.pid, signal.SIGHUP)
    until(lambda: len(manager.times("READY=1")) > ready, PERIOD_S, "READY=1 after a reload")
    (lines,) = manager.lines("RELOADING=1")
    assert since - 1 <= int(lines["MONOTONIC_USEC"]) / 1e6 <= time.monotonic(), lines
    assert manager.times("RELOADING=1")[0] <= manager.times("READY=1")[-1]


def upgrade(port, target):
    """Opens a WebSocket to `target`. Returns None if the handshake is refused."""
    client = socket.create_connection(("127.0.0.1", port))
    head = f"GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    client.sendall((head + key).encode())
    if b" 101 " in client.recv(1024):
        return client
    client.close()
    return None


def overload(watched):
    """Overload does not end WATCHDOG=1, because late canaries count."""
    manager, node = watched.manager, watched.node
    stop = threading.Event()
    context = zmq.Context()

    def publish():
        with context.socket(zmq.PUSH) as push:
            push.set(zmq.LINGER, 0)
            push.set(zmq.SNDTIMEO, 100)
            push.connect(node.pull)
            while not stop.is_set():
                try:
                    push.send_multipart([b"news", b'"' + b"x" * 1000 + b'"'])
                except zmq.Again:
                    pass

    client = upgrade(PORTS, "/raw?topic=news")
    publishers = [threading.Thread(target=publish) for _ in range(2)]
    since = time.monotonic()
    try:
        for publisher in publishers:
            publisher.start()
        while time.monotonic() < since + 2 * PERIOD_S:
            client.recv(1 << 20)
    finally:
        stop.set()
        client.close()
        for publisher in publishers:
            publisher.join()
        context.term()
    fed = [since, *manager.times("WATCHDOG=1", since), since + 2 * PERIOD_S]
    gaps = [later - earlier for earlier, later in zip(fed, fed[1:])]
    assert max(gaps) < PERIOD_S, gaps
    count = node.stats()["ingest"]["publications"]
    return f"{count} publications, at most {max(gaps):.2f} s between two WATCHDOG=1"


def status(watched):
    """STATUS= contains a readable line, every ten seconds if it has changed."""
    of_status = lambda: [lines["STATUS"] for _, lines in list(watched.manager.messages) if "STATUS" in lines]
    lines = until(of_status, 15, "STATUS=")
    form = r"\d+ connections, \d+ publications/s in, \d+ deliveries/s out"
    assert all(re.fullmatch(form, line) for line in lines), lines
    return lines[0]


def full_house(given):
    """Canaries connect when ws.max_connections is reached, work in a text namespace, and answer pings."""
    settings = {
        "ws.max_connections": 1,
        "ws.ping": "1s",
        "ws.pong_timeout": "500ms",
        "namespace..payload": "text",
        "namespace..slow": "conflate",
    }
    with Watched(given, "full", PORTS + 10, settings) as watched:
        # The connection of the health check may use the only place for a moment.
        with until(lambda: upgrade(PORTS + 10, "/raw?topic=a"), 5, "a place for one client"):
            watched.manager.next("WATCHDOG=1")
        total = until(
            lambda: (total := watched.node.stats()["total"])["pings"] >= 4 and total,
            5,
            "pings of both canaries",
        )
        assert total["upgraded"] == 3 and total["closed"]["no_pong"] == 0, total
        watched.manager.next("WATCHDOG=1")


def drain(given):
    """After SIGTERM, STOPPING=1 contains the time needed, and WATCHDOG=1 continues to the end."""
    settings = {"drain.period": "3s", "namespace..payload": "binary"}
    with Watched(given, "drain", PORTS + 10, settings) as watched:
        manager = watched.manager
        with socket.create_connection(("127.0.0.1", PORTS + 10)):
            manager.next("WATCHDOG=1")
            since = time.monotonic()
            watched.process.send_signal(signal.SIGTERM)
            code = watched.process.wait(20)
        took = time.monotonic() - since
        assert code == 0, code
        (lines,) = manager.lines("STOPPING=1")
        assert int(lines["EXTEND_TIMEOUT_USEC"]) / 1e6 >= took, (lines, took)
        fed = [since, *manager.times("WATCHDOG=1", since), since + took]
        gaps = [later - earlier for earlier, later in zip(fed, fed[1:])]
        assert max(gaps) < PERIOD_S, gaps
        return f"{took:.1f} s, fed {len(fed) - 2} times"


def supervised(given):
    """A supervisor restarts a node with a stopped shard after one period, as systemd does."""
    with Watched(given, "supervised", PORTS + 10) as watched:
        manager, first = watched.manager, watched.process
        manager.next("WATCHDOG=1")
        with Stopped(watched.thread("shard-0")):
            stopped = time.monotonic()
            until(
                lambda: time.monotonic() - manager.times("WATCHDOG=1")[-1] >= PERIOD_S,
                2 * PERIOD_S,
                "a watchdog timeout",
            )
            acted = time.monotonic() - stopped
            first.send_signal(signal.SIGABRT)
        code = first.wait(10)
        assert code == -signal.SIGABRT, f"ended with {code}"
        restarted = time.monotonic()
        watched.__enter__()
        until(lambda: manager.times("READY=1", restarted), PERIOD_S, "READY=1 again")
        manager.next("WATCHDOG=1")
        working = time.monotonic() - restarted
        # Canaries do not delay a drain: without clients it ends at once.
        watched.process.send_signal(signal.SIGTERM)
        code = watched.process.wait(5)
        assert code == 0, f"ended with {code}"
        # The supervisor polls the period, which adds some delay, and more on a busy host.
        assert acted <= 1.5 * PERIOD_S, f"acted {acted:.2f} s after the stop"
        return f"acted {acted:.2f} s after the stop, working again {working:.2f} s later"


def main():
    given = arguments("watchdog")
    report = Report("watchdog")
    with Watched(given, "watched", PORTS) as watched:
        report.check("READY=1 when the node is healthy", readiness, watched)
        report.check("WATCHDOG=1 at about half of the period", rhythm, watched)
        report.check("WATCHDOG=1 during overload", overload, watched)
        report.check("no WATCHDOG=1 while the process is stopped", whole_process, watched)
        for name in ("shard-0", "ingest"):
            report.check(f"no WATCHDOG=1 while {name} is stopped", one_thread, watched, name)
        report.check("RELOADING=1, then READY=1", reload, watched)
        report.check("STATUS= with connections and rates", status, watched)
    report.check("no READY=1 if the start fails", not_before_all_is_bound, given)
    report.check("canaries connect at ws.max_connections and answer pings", full_house, given)
    report.check("STOPPING=1, and WATCHDOG=1 during the drain", drain, given)
    report.check("a supervisor restarts a node with a stopped shard", supervised, given)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
