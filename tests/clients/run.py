"""Runs the SDKs, browsers and publishers of this directory against a fanfare server, one at a time.

    run.py --fanfare BINARY --tools DIR --logs DIR [NAME...]

Prints one line per check: `ok CLIENT: CHECK`, `not ok CLIENT: CHECK: reason` or `SKIPPED CLIENT:
reason`. Each client has a server of its own. `--tools` is the directory in which tests/run.sh
installs python/ (a venv), node/ (node_modules) and go/bin.
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
from urllib.parse import urlencode

from browsers import browser_command, end_group
from conductor import Conductor, Publisher, Witness
from server import Addresses, Server

HERE = pathlib.Path(__file__).parent
CONFIG = ("-c", HERE / "fanfare.toml")
CLIENT_TIMEOUT_S = 240
CENTRIFUGE = "node/node_modules/centrifuge/dist/centrifuge.js"


def clients(tools, at):
    """Returns a dictionary from name to command. The first word is a program that must exist. The
    command of a browser is None."""
    python = [tools / "python/bin/python"]
    node = [shutil.which("node") or "node"]
    publisher = [at.pull, at.sub, at.router, at.control]
    return {
        "centrifuge-js in Node": [*node, HERE / "sdk.mjs", at.client, at.control],
        "centrifuge-js in Chromium": None,
        "centrifuge-js in Firefox": None,
        "centrifuge-python": [*python, HERE / "sdk.py", at.client, at.control],
        "centrifuge-go": [tools / "go/bin/sdk", at.client, at.control],
        "protocol": [*python, HERE / "protocol.py", at.client, at.control, at.pull],
        "ws": [*node, HERE / "raw.mjs", at.raw, at.control],
        "websockets": [*python, HERE / "raw.py", at.raw, at.control],
        "pyzmq": [*python, HERE / "publisher.py", *publisher],
        "zeromq (npm)": [*node, HERE / "publisher.mjs", *publisher],
        "go-zeromq": [tools / "go/bin/publisher", *publisher],
        "malformed": [*python, HERE / "malformed.py", *publisher, at.metrics],
    }


class Run:
    """Runs one client against one server. Reads its lines and prints the lines of its checks."""

    def __init__(self, name, arguments, at, options=CONFIG):
        self.name, self.arguments, self.at, self.options = name, arguments, at, options
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
            program = pathlib.Path(command[0] or "the browser").name
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
            "/centrifuge.js": self.arguments.tools / CENTRIFUGE,
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
    for name, command in clients(arguments.tools, at).items():
        if arguments.names and name not in arguments.names:
            continue
        run = Run(name, arguments, at, options)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            page = f"{at.control}/page.html?{urlencode({'url': at.client})}"
            run.run(command or browser_command(name, pathlib.Path(profile), page))
        clean &= run.clean
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
