"""The deflate check: all client libraries receive compressed messages from one server in one run.

    deflate.py --fanfare BINARY --tools DIR --logs DIR

Each library negotiates permessage-deflate in its own way. On /raw, each client receives the 10,000
messages of corpus.py, inflates them itself and reports a digest. The SDKs receive bursts, whose
publications share frames. Prints `ok`, `not ok` and `SKIPPED` lines as run.py does. A client reports
one JSON object per line: `open` is the negotiated header if the client can read it, `done` describes
the received messages, and `fault` is an error or the end of the connection.
"""

import argparse
import json
import os
import pathlib
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import urlencode

import zmq
from browsers import browser_command, end_group
from conductor import Conductor, Publisher
from corpus import BURST, burst_texts, chained, corpus, shrinking
from feed import Feed, Metrics
from server import CONTROL, Addresses, Server

HERE = pathlib.Path(__file__).parent
SEED = 7692
TIME_LIMIT_S = 90
OFFERS = {  # the same as in docs/PROTOCOL.md
    "Chromium": "permessage-deflate; client_max_window_bits",
    "Firefox": "permessage-deflate",
}
NARROW = "websockets, 4 KiB window"
WINDOWS = 2  # encodings of one publication: with a 4 KiB window, and with the default window
SHARE = 0.9  # smallest accepted share of the expected compressed deliveries
ANSWER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
BROWSERS = {"Chromium": "centrifuge-js in Chromium", "Firefox": "centrifuge-js in Firefox"}
CENTRIFUGE = "node/node_modules/centrifuge/dist/centrifuge.js"
SETTINGS = {
    "ws.outbox": "1GiB",
    "ws.ping": "25s",
    "ws.pong_timeout": "8s",
    "ingest.max_payload": "2MiB",
}


def print_line(kind, line):
    print(f"{kind} {line}", flush=True)


def programs(tools, raw, client):
    """Returns a dictionary from name to command. The first word is a program that must exist."""
    python, go = tools / "python/bin/python", tools / "go/bin/deflate"
    java = tools / "java"
    installed = shutil.which("java") if (java / "classes").exists() else None
    return {
        "ws": [shutil.which("node"), HERE / "deflate-ws.mjs", raw],
        "websockets": [python, HERE / "deflate-websockets.py", raw],
        NARROW: [python, HERE / "deflate-websockets.py", raw, "12"],
        "gorilla/websocket": [go, "gorilla", raw],
        "coder/websocket": [go, "coder", raw],
        "Java-WebSocket": [installed, "-cp", f"{java}/lib/*:{java}/classes", "Deflate", raw],
        "centrifuge-python, JSON": [python, HERE / "deflate-centrifuge.py", client, "json"],
        "centrifuge-python, Protobuf": [python, HERE / "deflate-centrifuge.py", client, "protobuf"],
    }


class Clients:
    """The client processes and their reports by name. A browser reports under two names."""

    def __init__(self, arguments, lines):
        self.arguments, self.lines = arguments, lines
        self.names, self.processes = [], []
        self.open, self.offer, self.done, self.faults = {}, {}, {}, {}

    def start(self, name, command, reports=()):
        if not command[0] or not os.path.exists(command[0]):
            return print_line("SKIPPED", f"{name}: the client or its runtime is not installed")
        self.names += reports or [name]
        slug = "".join(c if c.isalnum() else "-" for c in name.lower())
        environment = {**os.environ, "NODE_TOOLS": str(self.arguments.tools / "node")}
        with open(self.arguments.logs / f"{slug}.log", "w") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                env=environment, text=True, errors="replace", start_new_session=True,
            )
        self.processes.append(process)
        if not reports:
            threading.Thread(target=self.read, args=(name, process), daemon=True).start()

    def read(self, name, process):
        for line in process.stdout:
            self.lines.put(json.dumps({"name": name, **json.loads(line)}))
        self.lines.put(json.dumps({"name": name, "fault": "ended"}))

    def wait(self, what, names, deadline):
        """Waits until each of `names` has reported `what` or a fault, or until the deadline."""
        while set(names) - set(what) - set(self.faults):
            try:
                line = json.loads(self.lines.get(timeout=max(0, deadline - time.monotonic())))
            except queue.Empty:
                return
            kinds = {"open": self.open, "offer": self.offer, "done": self.done, "fault": self.faults}
            for kind in kinds.keys() & line.keys():
                kinds[kind].setdefault(line["name"], line[kind])

    def sdks(self):
        return [name for name in self.names if name.startswith("centrifuge")]

    def raw(self):
        return [name for name in self.names if not name.startswith("centrifuge")]

    def stop(self):
        for process in self.processes:
            end_group(process)


class Judge:
    """Compares the reports of the clients with what was published."""

    def __init__(self, clients, sent):
        self.clients, self.sent, self.clean = clients, sent, True

    def line(self, holds, name, check, reason):
        self.clean &= bool(holds)
        print_line("ok" if holds else "not ok", f"{name}: {check}" if holds else f"{name}: {check}: {reason}")

    def negotiated(self, name):
        header = self.clients.open.get(name)
        if header is None:
            return  # The client cannot read the header, or never connected, which `received` reports.
        expected = ANSWER
        if name.endswith("Firefox"):
            expected = "permessage-deflate"  # Firefox shows no parameters.
        elif name == NARROW:
            expected += "; server_max_window_bits=12"
        self.line(header == expected, name, "permessage-deflate negotiated", repr(header))

    def offered(self, name):
        offer = self.clients.offer.get(name)
        self.line(offer == OFFERS[name], name, f"offers {OFFERS[name]}", repr(offer))

    def received(self, name, topics, check):
        done = self.clients.done.get(name)
        fault = self.clients.faults.get(name, f"no end within {TIME_LIMIT_S} s")
        differs = fault if done is None else "; ".join(self.differences(done, topics))
        self.line(not differs, name, check, differs)

    def differences(self, done, topics):
        for topic in topics:
            got, sent = done[topic], self.sent[topic]
            if got == sent:
                continue
            wrong = [n for n, (a, b) in enumerate(zip(got["marks"], sent["marks"])) if a != b]
            where = f"from mark {wrong[0]} on" if wrong else "after the last mark"
            yield f"{topic}: {got['count']} of {sent['count']} messages, different {where}"
        if done.get("disorder"):
            yield f"{done['disorder']} out of order"

    def joined(self, name):
        done = self.clients.done.get(name) or {}
        if "messages" in done:
            count, messages = self.sent["bursts"]["count"], done["messages"]
            self.line(messages < count / 2, name, "bursts share frames", f"{count} in {messages}")

    def figures(self, metrics, connections, expected, total):
        """Checks that the server compressed each compressible message once for all clients."""
        frames = metrics.sum("fanfare_deflate_frames_total", 'outcome="compressed"')
        deliveries = metrics.sum("fanfare_deflate_deliveries_total")
        before = metrics.sum("fanfare_deflate_bytes_total", 'side="before"')
        after = metrics.sum("fanfare_deflate_bytes_total", 'side="after"')
        print(f"# {frames} frames compressed, {before} bytes to {after}; {deliveries} compressed deliveries")
        compressed = deliveries >= SHARE * connections * expected
        name, reason = "compressible messages are sent compressed", f"{deliveries} of {connections} x {expected}"
        self.line(compressed, "server", name, reason)
        once = 0 < before <= WINDOWS * total
        name, reason = "each message is compressed once for all clients", f"{before} bytes of {WINDOWS} x {total}"
        self.line(once, "server", name, reason)


def publish(feed, clients, payloads, small, judge):
    """Publishes the messages to the raw clients, then the bursts to the SDKs."""
    sdks, raw = clients.sdks(), clients.raw()
    start = time.monotonic()
    feed.all(random.Random(SEED), {f"{topic}:deflate": data for topic, data in payloads.items()}, len(raw))
    for topic in payloads:
        feed.burst(f"{topic}:deflate", [b""], len(raw))
    clients.wait(clients.done, raw, feed.deadline)
    total = sum(len(data) for topic in payloads.values() for data in topic)
    print(f"# {total / 1e6:.0f} MB to each of {len(raw)} clients in {time.monotonic() - start:.1f} s")
    expected = sum(shrinking(data) for data in payloads.values())
    judge.figures(feed.metrics, len(raw), expected, total)
    for first in range(0, len(small), BURST):
        feed.burst("bursts", small[first : first + BURST], len(sdks))
    clients.wait(clients.done, sdks, feed.deadline)


def check(at, clients, deadline):
    """Publishes to the connected clients and checks their reports. Returns whether all passed."""
    payloads = corpus(SEED)
    small, texts = burst_texts(random.Random(SEED))
    judge = Judge(clients, {topic: chained(data) for topic, data in {**payloads, "bursts": texts}.items()})
    clients.wait(clients.open, clients.names, deadline)
    metrics = Metrics(at.metrics)
    here = metrics.sum("fanfare_connections_deflate")
    judge.line(
        here == len(clients.names), "server", "all clients negotiate compression", f"{here} of {len(clients.names)}"
    )
    feed = Feed(at.router, metrics, deadline)
    try:
        publish(feed, clients, payloads, small, judge)
    except (TimeoutError, RuntimeError, zmq.ZMQError) as fault:
        judge.line(False, "server", "accepts and delivers all messages", f"{type(fault).__name__} {fault}")
        clients.wait(clients.done, clients.names, time.monotonic() + 1)
    finally:
        feed.close()
    browsers = [name for name in BROWSERS if name in clients.names]
    clients.wait(clients.offer, browsers, time.monotonic() + 1)
    for name in browsers:
        judge.offered(name)
    for name in clients.raw():
        judge.negotiated(name)
        judge.received(name, payloads, "10,000 messages of 1 byte to 1 MiB, byte-identical")
    for name in clients.sdks():
        judge.negotiated(name)
        judge.received(name, ["bursts"], f"bursts of {BURST} publications, in order")
        judge.joined(name)
    return judge.clean


def run(arguments, profiles):
    at = Addresses(HERE / "fanfare.toml")
    settings = [word for key, value in SETTINGS.items() for word in ("-s", f"{key}={value}")]
    log = arguments.logs / "server.log"
    server = Server(arguments.fanfare, ["-c", HERE / "fanfare.toml", *settings], at.health, log)
    files = {
        "/deflate.html": HERE / "deflate.html",
        "/deflate.mjs": HERE / "deflate.mjs",
        "/centrifuge.js": arguments.tools / CENTRIFUGE,
    }
    conductor = Conductor(CONTROL, server, Publisher(at.pull), files)
    clients = Clients(arguments, conductor.results)
    deadline = time.monotonic() + TIME_LIMIT_S
    raw = f"{at.raw}?topic=binary:deflate&topic=text:deflate"
    try:
        conductor.start()
        for name, sdk in BROWSERS.items():
            profile = profiles / name
            profile.mkdir()
            query = urlencode({"name": name, "sdk": sdk, "raw": raw, "client": at.client})
            page = f"{at.control}/deflate.html?{query}"
            clients.start(name, browser_command(name, profile, page), [name, sdk])
        for name, command in programs(arguments.tools, raw, at.client).items():
            clients.start(name, command)
        return check(at, clients, deadline)
    finally:
        clients.stop()
        conductor.stop()


def main():
    parser = argparse.ArgumentParser()
    for option in ("--fanfare", "--tools", "--logs"):
        parser.add_argument(option, type=lambda path: pathlib.Path(path).absolute(), required=True)
    arguments = parser.parse_args()
    arguments.logs.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profiles:
        return 0 if run(arguments, pathlib.Path(profiles)) else 1


sys.exit(main())
