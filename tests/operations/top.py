"""Tests `fanfare top` on a node with a known load, in a pipe and in a pseudo-terminal.

The load consists of READERS raw connections that read, one raw connection that does not read, and
RATE publications per second.
"""

import re
import resource
import selectors
import signal
import subprocess
import sys
import threading
import time

import zmq

from node import Node, Report, arguments, raw
from terminal import Terminal

PORTS = 18220
READERS = 25
RATE = 200
# Relative tolerance for rates. On a shared machine, the rate of a single second can deviate.
WITHIN = 0.4
PATIENCE_S = 15
TOKEN = "secret"


class Load:
    """Publishes at a steady rate and reads the publications until the context ends."""

    def __init__(self, node):
        self.node, self.stop = node, threading.Event()

    def __enter__(self):
        self.readers = [raw(self.node.ws) for _ in range(READERS)]
        self.slow = raw(self.node.ws, receive_bytes=4096)
        self.threads = [threading.Thread(target=work) for work in (self.read, self.publish)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        for client in [*self.readers, self.slow]:
            client.close()

    def read(self):
        selector = selectors.DefaultSelector()
        for client in self.readers:
            selector.register(client, selectors.EVENT_READ)
        while not self.stop.is_set():
            for key, _ in selector.select(0.1):
                if not key.fileobj.recv(1 << 20):
                    selector.unregister(key.fileobj)

    def publish(self):
        context = zmq.Context()
        push = context.socket(zmq.PUSH)
        push.setsockopt(zmq.LINGER, 0)
        push.connect(self.node.pull)
        due, payload = time.monotonic(), b'{"x":"%s"}' % (b"x" * 2000)
        while not self.stop.is_set():
            push.send_multipart([b"news", payload])
            due += 1 / RATE
            time.sleep(max(0, due - time.monotonic()))
        push.close()
        context.term()

    def slow_address(self):
        return "%s:%s" % self.slow.getsockname()


def value(text):
    """Parses a value of the screen, such as `5.2k`."""
    scale = {"k": 1e3, "M": 1e6}.get(text[-1], 1)
    return float(text.rstrip("kM")) * scale


def figures(lines):
    """Returns connections, rate in and rate out from the second line of the screen, or None."""
    found = re.search(r"^connections (\d+) of \d+ +in (\S+)/s +out (\S+)/s", lines[1])
    if not found or "-" in found.groups():
        return None
    return int(found[1]), value(found[2]), value(found[3])


def shows_load(lines):
    """Returns the values if the number of connections is exact and the rates are near the load."""
    connections, rate_in, rate_out = figures(lines) or (0, 0, 0)
    near = abs(rate_in / RATE - 1) < WITHIN and abs(rate_out / (RATE * READERS) - 1) < WITHIN
    return connections == READERS + 1 and near and figures(lines)


def shows_slow(lines, address):
    """Returns whether the connection that does not read is the first of the slowest ones."""
    header = next((at for at, line in enumerate(lines) if "slowest" in line), None)
    first = lines[header + 1] if header else ""
    return address in first and " yes " in first and " raw " in first


def top(options, node, *further):
    return [options.fanfare, "top", "--admin", node.admin, "--interval", "0.5", *further]


def once(options, node, load):
    for _ in range(10):  # The rates are not steady in the first seconds.
        command = top(options, node, "--once", "--token", TOKEN)
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert "\x1b" not in done.stdout, "plain text"
        lines = done.stdout.splitlines()
        if shows_load(lines) and shows_slow(lines, load.slow_address()):
            return lines[1]
    raise RuntimeError(done.stdout)


def live(options, node, load):
    with Terminal(top(options, node, "--token", TOKEN)) as terminal:
        note = terminal.until(shows_load, PATIENCE_S, "the values of the load")
        slow = load.slow_address()
        terminal.until(lambda lines: shows_slow(lines, slow), PATIENCE_S, "the connection that does not read")
        shards = [line for line in terminal.screen.lines() if re.match(r" +\d+ +\d+ +1 ", line)]
        assert shards, "a line for each shard"
        assert terminal.screen.alternate and not terminal.is_restored()
        terminal.type("q")
        assert terminal.end() == (0, "")
        assert terminal.screen.entered and terminal.is_restored()
        return "connections, in/s, out/s: %s, %.0f, %.0f" % note


def interrupt(options, node):
    with Terminal(top(options, node, "--token", TOKEN)) as terminal:
        terminal.until(figures, PATIENCE_S, "values")
        terminal.type("\x03")
        assert terminal.end() == (0, "")
        assert terminal.is_restored()


def terminate(options, node):
    """A signal restores the terminal and then ends `top`, as its parent sees."""
    # SIGQUIT would write a core file.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        with Terminal(top(options, node, "--token", TOKEN)) as terminal:
            terminal.until(figures, PATIENCE_S, "values")
            assert terminal.screen.alternate and terminal.screen.hides_cursor
            terminal.process.send_signal(number)
            assert terminal.end() == (-number, ""), number
            assert terminal.is_restored(), number


def hang_up(options, node):
    """`top` ends when its terminal is closed. Nothing else tells it: the terminal is not the
    controlling terminal of its session, so the kernel sends no SIGHUP."""
    with Terminal(top(options, node, "--token", TOKEN)) as terminal:
        terminal.until(figures, PATIENCE_S, "values")
        terminal.hang_up()
        assert terminal.process.wait(PATIENCE_S) == 0


def narrow(options, node):
    """A terminal of 80 columns shows whole headers and all figures."""
    with Terminal(top(options, node, "--token", TOKEN), columns=80, rows=24) as terminal:
        ends = ("busy", "slowest connections", "q quits")
        whole = lambda lines: all(any(line.endswith(it) for line in lines) for it in ends)  # noqa: E731
        terminal.until(whole, PATIENCE_S, "whole headers")
        terminal.until(lambda lines: any(re.search(r"lag .*max \S+$", line) for line in lines), PATIENCE_S, "the lag")
        terminal.type("q")
        assert terminal.end() == (0, "")


def resize(options, node):
    with Terminal(top(options, node, "--token", TOKEN)) as terminal:
        terminal.until(figures, PATIENCE_S, "values")
        for columns, rows in ((90, 12), (20, 3), (150, 50)):
            terminal.resize(columns, rows)
            last = lambda lines: lines[-1] == "q quits"  # noqa: E731
            terminal.until(last, PATIENCE_S, f"a screen of {columns} by {rows}")
        terminal.until(figures, PATIENCE_S, "values after the resize")
        terminal.type("q")
        assert terminal.end() == (0, "")


def lost(options, node):
    """`top` reports a node that has ended or hangs, marks the figures as old, and continues when
    the node is back."""
    with Terminal(top(options, node, "--token", TOKEN)) as terminal:
        terminal.until(figures, PATIENCE_S, "values")
        node.server.kill()
        gone = lambda lines: "admin.listen" in lines[4]  # noqa: E731
        terminal.until(gone, PATIENCE_S, "a report that the node has ended")
        old = lambda lines: re.search(r"no answer for [3-9]s: old figures$", lines[0])  # noqa: E731
        terminal.until(old, PATIENCE_S, "the age of the figures")
        assert terminal.screen.lines()[1].startswith("connections "), "the old figures"
        node.server.start()
        back = lambda lines: not lines[4] and (figures(lines) or [1])[0] == 0  # noqa: E731
        terminal.until(back, PATIENCE_S, "values after the restart of the node")
        assert terminal.screen.lines()[0].endswith("ok"), terminal.screen.lines()[0]
        node.server.process.send_signal(signal.SIGSTOP)
        terminal.until(old, PATIENCE_S, "a node that hangs")
        node.server.process.send_signal(signal.SIGCONT)
        ok = lambda lines: lines[0].endswith("ok") and not lines[4]  # noqa: E731
        terminal.until(ok, PATIENCE_S, "values of the node that goes on")
        terminal.type("q")
        assert terminal.end() == (0, "")


def refused(options, node):
    """A failure at the start leaves the terminal unchanged and gives a hint."""
    for further, code, words in (
        (["--token", "wrong"], 1, "admin.token"),
        (["--admin", node.ws], 1, "admin.listen"),
        (["--admin", f"127.0.0.1:{PORTS + 9}"], 1, "admin.listen"),
        (["--admin", "https://127.0.0.1:1"], 2, "TLS"),
    ):
        where = [] if "--admin" in further else ["--admin", node.admin]
        with Terminal([options.fanfare, "top", *where, *further]) as terminal:
            ended = terminal.end()
            assert ended[0] == code and words in ended[1], (further, ended)
            assert not terminal.screen.entered


def main():
    options = arguments("top")
    report = Report("top")
    settings = {"admin.token": TOKEN, "ws.slow": "drop_oldest", "cpu.shards": "1"}
    with Node(options.fanfare, options.logs / "node.log", PORTS, settings) as node:
        with Load(node) as load:
            report.check("--once prints one screen as text", once, options, node, load)
            report.check("a screen in a terminal, until q", live, options, node, load)
            report.check("Ctrl-C restores the terminal", interrupt, options, node)
            report.check("signals restore the terminal", terminate, options, node)
            report.check("the terminal is closed", hang_up, options, node)
            report.check("80 columns show whole headers", narrow, options, node)
            report.check("the window size changes", resize, options, node)
        report.check("the node ends and starts again", lost, options, node)
        report.check("failures at the start", refused, options, node)
    return report.failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
