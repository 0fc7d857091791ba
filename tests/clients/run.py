"""Runs the SDKs, browsers and publishers of this folder against a fanfare server, one by one.

    run.py --fanfare BINARY --tools DIR --logs DIR [NAME...]

Prints `ok CLIENT: CHECK`, `not ok CLIENT: CHECK: why` and `SKIPPED CLIENT: why`, one per line. Each
client has the server to itself. `--tools` holds what tests/run.sh installed: python/ (a venv), node/
(node_modules), go/bin.
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
import tomllib
from urllib.parse import urlencode

from conductor import Conductor, Publisher, Witness
from server import Server

HERE = pathlib.Path(__file__).parent
CONTROL = ("127.0.0.1", 18080)
CLIENT_TIMEOUT_S = 240
CHROMIUM = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --disable-dev-shm-usage"
).split()
FIREFOX_PREFERENCES = {
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "http://127.0.0.1:9",
    "toolkit.telemetry.enabled": False,
}


class Addresses:
    """Where the server of fanfare.toml listens."""

    def __init__(self, path):
        config = tomllib.loads(path.read_text())
        ingest = config["ingest"]
        self.pull, self.sub, self.router = ingest["pull"], ingest["sub"], ingest["router"]
        self.ws = f"ws://{config['ws']['listen']}"
        self.client = f"{self.ws}/connection/websocket"
        self.raw = f"{self.ws}/raw"
        self.health = f"http://{config['ws']['listen']}/health"
        self.metrics = f"http://{config['admin']['listen']}/metrics"
        self.control = f"http://{CONTROL[0]}:{CONTROL[1]}"


def clients(tools, at):
    """Name to command; the first word is a program that must be there. None: a browser."""
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


def browser_command(name, profile, page):
    if name.endswith("Chromium"):
        return [shutil.which("chromium"), *CHROMIUM, f"--user-data-dir={profile}", page]
    lines = (f"user_pref({repr_js(key)}, {repr_js(value)});" for key, value in FIREFOX_PREFERENCES.items())
    (profile / "user.js").write_text("\n".join(lines))
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    return [program, "--headless", "--no-remote", "--profile", profile, page]


def repr_js(value):
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


class Run:
    """One client against one server: its lines in, `ok`, `not ok` and `SKIPPED` out."""

    def __init__(self, name, arguments, at):
        self.name, self.arguments, self.at = name, arguments, at
        self.slug = "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")
        self.lines = queue.Queue()
        self.clean = True

    def say(self, line):
        kind = next((kind for kind in ("ok ", "not ok ", "SKIPPED ") if line.startswith(kind)), None)
        if kind:
            self.clean &= kind != "not ok "
            print(f"{kind}{self.name}: {line.removeprefix(kind)}", flush=True)

    def run(self, command):
        if not command[0] or not os.path.exists(command[0]):
            program = pathlib.Path(command[0] or "the browser").name
            return self.say(f"SKIPPED {program} is not installed")
        server = Server(
            self.arguments.fanfare,
            ["-c", HERE / "fanfare.toml"],
            self.at.health,
            self.arguments.logs / f"{self.slug}.server.log",
        )
        bundle = self.arguments.tools / "node/node_modules/centrifuge/dist/centrifuge.js"
        try:
            conductor = Conductor(CONTROL, server, Publisher(self.at.pull), bundle)
        except OSError as fault:
            return self.say(f"not ok run: {self.at.control}: {fault}")
        try:
            conductor.start()
            conductor.witness = Witness(f"{self.at.raw}?topic=from")
            self.lines = conductor.results
            self.follow(command)
        except Exception as fault:
            self.say(f"not ok run: {type(fault).__name__} {fault}")
        finally:
            conductor.stop()

    def follow(self, command):
        """Reads lines, a program's own or what a browser posted, until `done` or the time is up."""
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
                return self.say(f"not ok run: no end within {CLIENT_TIMEOUT_S} s")
            if line is None:
                return self.say("not ok run: ended before its last check")
            if line == "done":
                return None
            self.say(line)


def end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def main():
    parser = argparse.ArgumentParser()
    for option in ("--fanfare", "--tools", "--logs"):
        parser.add_argument(option, type=pathlib.Path, required=True)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    for option in ("fanfare", "tools", "logs"):
        setattr(arguments, option, getattr(arguments, option).absolute())
    arguments.logs.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    at = Addresses(HERE / "fanfare.toml")
    clean = True
    for name, command in clients(arguments.tools, at).items():
        if arguments.names and name not in arguments.names:
            continue
        run = Run(name, arguments, at)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            page = f"{at.control}/page.html?{urlencode({'url': at.client})}"
            run.run(command or browser_command(name, pathlib.Path(profile), page))
        clean &= run.clean
    return 0 if clean else 1


sys.exit(main())
