"""Runs the SDKs, browsers and publishers of this directory against a fanfare server, one at a time.

    run.py --fanfare BINARY --tools DIR --logs DIR [NAME...]

Prints one line per check: `ok CLIENT: CHECK`, `not ok CLIENT: CHECK: reason` or `SKIPPED CLIENT:
reason`. Each client has a server of its own. An SDK runs in each of its forms (JSON, Protobuf), with
compression and without. NAME is the start of a name. `--tools` is the directory in which
tests/run.sh installs python/ (a venv), node/ (node_modules), go/bin and java/.
"""

import argparse
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import NamedTuple
from urllib.parse import urlencode

from browsers import browser_command, end_group
from conductor import Conductor, Publisher, Witness
from feed import Metrics
from server import Addresses, Server

HERE = pathlib.Path(__file__).parent
CONFIG = ("-c", HERE / "fanfare.toml")
CLIENT_TIMEOUT_S = 240
CENTRIFUGE = "node/node_modules/centrifuge/dist"
FORMS = {"json": "JSON", "protobuf": "Protobuf"}
COMPRESSION = {"permessage-deflate": "", "no compression": "?deflate=0"}
METRICS_TIMEOUT_S = 3


class Client(NamedTuple):
    """A program and its arguments. The first word must exist. The command of a browser is None.
    `compressed` is whether the server must compress publications for it, or None if that is not
    checked."""

    command: list | None
    arguments: list
    compressed: bool | None = None


def sdks(tools, at):
    """Yields the name and the client of each SDK in each form, with compression and without."""
    java = tools / "java"
    runtime = shutil.which("java") if (java / "classes").exists() else None
    programs = {
        "centrifuge-js in Node": ([shutil.which("node") or "node", HERE / "sdk.mjs"], FORMS),
        "centrifuge-js in Chromium": (None, FORMS),
        "centrifuge-js in Firefox": (None, FORMS),
        "centrifuge-python": ([tools / "python/bin/python", HERE / "sdk.py"], FORMS),
        "centrifuge-go": ([tools / "go/bin/sdk"], FORMS),
        "centrifuge-java": (
            [runtime or "Java or Maven", "-cp", f"{java}/lib/*:{java}/classes", "Sdk"],
            ["protobuf"],
        ),
    }
    for name, (command, forms) in programs.items():
        for form in forms:
            for compression, query in COMPRESSION.items():
                arguments = [at.client + query, at.control, form]
                client = Client(command, arguments, compressed=not query)
                yield f"{name}, {FORMS[form]}, {compression}", client


def clients(tools, at):
    """Returns a dictionary from name to client."""
    python = tools / "python/bin/python"
    node = shutil.which("node") or "node"
    publisher = [at.pull, at.sub, at.router, at.control]
    back_end = [at.api, at.api_key, at.control]
    return {
        **dict(sdks(tools, at)),
        "protocol": Client([python, HERE / "protocol.py"], [at.client, at.control, at.pull]),
        "forms": Client([python, HERE / "forms.py"], [at.client, at.raw, at.control]),
        "Protobuf": Client([python, HERE / "derived.py"], [at.client, at.control]),
        "ws": Client([node, HERE / "raw.mjs"], [at.raw, at.control]),
        "websockets": Client([python, HERE / "raw.py"], [at.raw, at.control]),
        "pyzmq": Client([python, HERE / "publisher.py"], publisher),
        "zeromq (npm)": Client([node, HERE / "publisher.mjs"], publisher),
        "go-zeromq": Client([tools / "go/bin/publisher"], publisher),
        "pycent": Client([python, HERE / "backend.py"], back_end),
        "gocent": Client([tools / "go/bin/gocent"], back_end),
        "cent.js": Client([node, HERE / "backend.mjs"], back_end),
        "malformed": Client([python, HERE / "malformed.py"], [*publisher, at.metrics]),
    }


class Run:
    """Runs one client against one server. Reads its lines and prints the lines of its checks."""

    def __init__(self, name, compressed, arguments, at, options):
        self.name, self.compressed, self.arguments = name, compressed, arguments
        self.at, self.options = at, options
        self.slug = "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")
        self.lines = queue.Queue()
        self.clean = True

    def print_check(self, line):
        kind = next((kind for kind in ("ok ", "not ok ", "SKIPPED ") if line.startswith(kind)), None)
        if kind:
            self.clean &= kind != "not ok "
            print(f"{kind}{self.name}: {line.removeprefix(kind)}", flush=True)

    def run(self, command):
        if not command[0] or not os.path.exists(command[0]):
            program = pathlib.Path(command[0] or self.name.split(",")[0]).name
            return self.print_check(f"SKIPPED {program} is not installed")
        server = Server(
            self.arguments.fanfare,
            self.options,
            self.at.health,
            self.arguments.logs / f"{self.slug}.server.log",
        )
        files = {
            "/page.html": HERE / "page.html",
            "/scenario.mjs": HERE / "scenario.mjs",
            "/replies.mjs": HERE / "replies.mjs",
            "/centrifuge.json.js": self.arguments.tools / CENTRIFUGE / "centrifuge.js",
            "/centrifuge.protobuf.js": self.arguments.tools / CENTRIFUGE / "centrifuge.protobuf.js",
        }
        try:
            conductor = Conductor(self.at.conductor, server, Publisher(self.at.pull), files)
        except OSError as fault:
            return self.print_check(f"not ok run: {self.at.control}: {fault}")
        try:
            conductor.start()
            conductor.witness = Witness(f"{self.at.raw}?topic=from")
            self.lines = conductor.results
            self.follow(command)
        except Exception as fault:
            self.print_check(f"not ok run: {type(fault).__name__} {fault}")
        finally:
            conductor.stop()

    def follow(self, command):
        """Starts the client and reads its lines until `done` or the timeout. A browser posts its lines
        to the conductor."""
        environment = {**os.environ, "NODE_TOOLS": str(self.arguments.tools / "node")}
        with open(self.arguments.logs / f"{self.slug}.log", "w") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                env=environment, text=True, errors="replace", start_new_session=True,
            )
            threading.Thread(target=self.read, args=(process,), daemon=True).start()
            try:
                self.judge(time.monotonic() + CLIENT_TIMEOUT_S)
            finally:
                end_group(process)

    def read(self, process):
        for line in process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def judge(self, deadline):
        while True:
            try:
                line = self.lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                return self.print_check(f"not ok run: no end within {CLIENT_TIMEOUT_S} s")
            if line is None:
                return self.print_check("not ok run: ended before its last check")
            if line == "done":
                return None
            self.print_check(line)
            if line == "ok large payload" and self.compressed is not None:
                self.check_compression()

    def check_compression(self):
        """Checks whether the server has compressed the large payload. Runs during the check of pings,
        before the server is restarted."""
        metrics = Metrics(self.at.metrics)
        count = lambda: metrics.sum("fanfare_deflate_deliveries_total")
        deadline = time.monotonic() + METRICS_TIMEOUT_S
        while not count() and time.monotonic() < deadline:
            time.sleep(0.05)
        expected = "compressed" if self.compressed else "not compressed"
        kind = "ok" if bool(count()) == self.compressed else "not ok"
        self.print_check(f"{kind} the large payload is {expected}")


def page_command(name, client, at, profile):
    """Returns the command for the browser in `name`, with the page of the checks."""
    url, _, form = client.arguments
    page = f"{at.control}/page.html?{urlencode({'url': url, 'form': form})}"
    return browser_command(name.split(",")[0], profile, page)


def parse_arguments():
    parser = argparse.ArgumentParser()
    for option in ("--fanfare", "--tools", "--logs"):
        parser.add_argument(option, type=pathlib.Path, required=True)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    for option in ("fanfare", "tools", "logs"):
        setattr(arguments, option, getattr(arguments, option).absolute())
    arguments.logs.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    return arguments


def main(clients=clients, options=CONFIG):
    arguments = parse_arguments()
    at = Addresses(HERE / "fanfare.toml")
    clean = True
    for name, client in clients(arguments.tools, at).items():
        if arguments.names and not name.startswith(tuple(arguments.names)):
            continue
        run = Run(name, client.compressed, arguments, at, options)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            if client.command:
                command = [*client.command, *client.arguments]
            else:
                command = page_command(name, client, at, pathlib.Path(profile))
            run.run(command)
        clean &= run.clean
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
