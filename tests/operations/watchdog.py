"""The service manager's side of a node: what it is told, and that a core that stops goes unvouched.

A Unix datagram socket stands for systemd's, and a small supervisor acts on it as systemd does:
SIGABRT and a new start when no WATCHDOG=1 came for a period.
"""

import ctypes
import os
import pathlib
import re
import signal
import socket
import subprocess
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
    """A notify socket; what came on it, each with its time."""

    def __init__(self, directory):
        self.path = str(pathlib.Path(directory) / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.heard = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while message := self.socket.recv(4096):
            lines = dict(line.split("=", 1) for line in message.decode().splitlines())
            self.heard.append((time.monotonic(), lines))

    def environment(self):
        period_us = str(int(PERIOD_S * 1e6))
        return {**os.environ, "NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": period_us}

    def times(self, variable, since=0.0):
        """When it was told `variable`, such as `WATCHDOG=1`."""
        name, value = variable.split("=")
        return [at for at, lines in list(self.heard) if lines.get(name) == value and at >= since]

    def next(self, variable, timeout_s=2 * PERIOD_S):
        """The time of the first one from now on."""
        now = time.monotonic()
        return until(lambda: self.times(variable, now), timeout_s, variable)[0]

    def lines(self, variable):
        """The messages that carried it."""
        name, value = variable.split("=")
        return [lines for _, lines in list(self.heard) if lines.get(name) == value]


class Watched:
    """A node with two shards under a manager."""

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
        """The kernel's id of the thread of this name. glommio adds a number, and starts a helper of
        the same name after it."""
        tasks = pathlib.Path(f"/proc/{self.node.pid}/task").iterdir()
        for task in sorted(tasks, key=lambda task: int(task.name)):
            if re.fullmatch(rf"{name}(-\d+)?", (task / "comm").read_text().strip()):
                return int(task.name)
        raise RuntimeError(f"no thread {name}")


class Stopped:
    """One thread stopped by ptrace; the others run. Tracing is bound to the thread that began it."""

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
        except ProcessLookupError:  # Killed meanwhile; its process ends once we have taken note.
            os.waitpid(self.thread, WALL)


def readiness(watched):
    manager = watched.manager
    ready = until(lambda: manager.times("READY=1"), PERIOD_S, "READY=1")
    with urllib.request.urlopen(f"http://{watched.node.ws}/health", timeout=1) as answer:
        assert answer.status == 200
    assert len(ready) == 1, ready
    assert watched.manager.heard[0][1] == {"READY": "1"}, watched.manager.heard[0]


def not_before_all_is_bound(given):
    """With an address taken the start fails, and READY=1 is never said."""
    with tempfile.TemporaryDirectory() as directory, socket.socket() as taken:
        manager = Manager(directory)
        taken.bind(("127.0.0.1", PORTS + 18))
        taken.listen()
        node = Node(given.fanfare, given.logs / "taken.log", PORTS + 10)
        command = node.server.command + ["-s", f"ingest.router=tcp://127.0.0.1:{PORTS + 18}"]
        ended = subprocess.run(command, env=manager.environment(), capture_output=True, timeout=20)
        assert ended.returncode == 1, ended
        assert not manager.times("READY=1"), manager.heard


def rhythm(watched):
    manager = watched.manager
    manager.next("WATCHDOG=1")
    until(lambda: len(manager.times("WATCHDOG=1")) >= 5, 5 * PERIOD_S, "five WATCHDOG=1")
    times = manager.times("WATCHDOG=1")[:5]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    # Half a period each, and never a whole one.
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
    time.sleep(1.5 * PERIOD_S)  # Nothing to wait for: the point is that nothing comes.
    heard = manager.times("WATCHDOG=1", since + 0.05)
    os.kill(watched.node.pid, signal.SIGCONT)
    assert not heard, heard
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
        heard = manager.times("WATCHDOG=1", since)
    assert not heard, f"fed {heard[0] - since:.2f} s after the stop"
    manager.next("WATCHDOG=1")
    until(lambda: "canaries come back from every core" in watched.log(), PERIOD_S, "the good news")
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
    """A WebSocket at `target`, its handshake done; None if it is refused."""
    client = socket.create_connection(("127.0.0.1", port))
    head = f"GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    client.sendall((head + key).encode())
    if b" 101 " in client.recv(1024):
        return client
    client.close()
    return None


def overload(watched):
    """More than the node can take, all of it wanted: late canaries are no dead cores."""
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
    return f"{count} publications, at most {max(gaps):.2f} s between two"


def status(watched):
    """A line for people, every ten seconds while it changes."""
    of_status = lambda: [lines["STATUS"] for _, lines in list(watched.manager.heard) if "STATUS" in lines]
    lines = until(of_status, 15, "STATUS=")
    form = r"\d+ connections, \d+ publications/s in, \d+ deliveries/s out"
    assert all(re.fullmatch(form, line) for line in lines), lines
    return lines[0]


def full_house(given):
    """Canaries come in when no client may, in a text namespace too, and answer pings."""
    settings = {
        "ws.max_connections": 1,
        "ws.ping": "1s",
        "ws.pong_timeout": "500ms",
        "namespace..payload": "text",
        "namespace..slow": "conflate",
    }
    with Watched(given, "full", PORTS + 10, settings) as watched:
        # The socket that asked for the health may have the one place for a moment more.
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
    """SIGTERM: STOPPING=1 with the time it takes, and the watchdog is fed to the end."""
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
    """A supervisor as systemd is one: a stuck shard costs one period, then a new process works."""
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
        # Canaries hold no drain up: without clients it is over at once.
        watched.process.send_signal(signal.SIGTERM)
        code = watched.process.wait(5)
        assert code == 0, f"ended with {code}"
        # The supervisor counts the period by itself; the tenth is its own polling, on a busy host more.
        assert acted <= 1.5 * PERIOD_S, f"acted {acted:.2f} s after the stop"
        return f"acted {acted:.2f} s after the stop, working again {working:.2f} s later"


def main():
    given = arguments("watchdog")
    report = Report("watchdog")
    with Watched(given, "watched", PORTS) as watched:
        report.check("READY=1 when it is healthy", readiness, watched)
        report.check("WATCHDOG=1 at about half the period", rhythm, watched)
        report.check("overload", overload, watched)
        report.check("SIGSTOP of the process", whole_process, watched)
        for name in ("shard-0", "ingest"):
            report.check(f"{name} stopped", one_thread, watched, name)
        report.check("RELOADING=1, then READY=1", reload, watched)
        report.check("STATUS= with connections and rates", status, watched)
    report.check("no READY=1 for a start that fails", not_before_all_is_bound, given)
    report.check("canaries at ws.max_connections, and their pings", full_house, given)
    report.check("STOPPING=1, and fed while it drains", drain, given)
    report.check("a supervisor restarts what is stuck", supervised, given)


if __name__ == "__main__":
    main()
