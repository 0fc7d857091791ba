"""Shared by the programs in this directory: a fanfare node, its metrics, and the report.

Each program is started as `NAME.py --fanfare BINARY --tools DIR --logs DIR`. It prints one line per
check: `ok NAME: CHECK`, `not ok NAME: CHECK: reason` or `SKIPPED NAME: reason`.
"""

import argparse
import json
import os
import pathlib
import re
import socket
import sys
import time
import traceback
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "clients"))

from server import Server  # noqa: E402


class Node:
    """One node. `base` is the first of ten ports: ws, admin, pull, sub, router, and five unused.

    `variables` are set in its environment, such as `FANFARE_LOSE` for the binary of `lossy`.
    """

    def __init__(self, binary, log_path, base, settings=None, variables=None):
        local = "127.0.0.1"
        self.base, self.log_path = base, pathlib.Path(log_path)
        self.ws, self.admin = f"{local}:{base}", f"http://{local}:{base + 1}"
        self.pull, self.sub, self.router = (f"tcp://{local}:{base + n}" for n in (2, 3, 4))
        keys = {
            "ws.listen": self.ws,
            "admin.listen": f"{local}:{base + 1}",
            "ingest.pull": self.pull,
            "ingest.sub": self.sub,
            "ingest.router": self.router,
            **(settings or {}),
        }
        arguments = [word for key, value in keys.items() for word in ("-s", f"{key}={value}")]
        self.server = Server(binary, arguments, f"http://{self.ws}/health", self.log_path)
        variables = [f"{name}={value}" for name, value in (variables or {}).items()]
        self.server.command = ["env", *variables, *self.server.command]

    def __enter__(self):
        self.server.start()
        return self

    def __exit__(self, *_):
        self.server.close()

    @property
    def pid(self):
        return self.server.process.pid

    def get(self, path, timeout=5):
        with urllib.request.urlopen(self.admin + path, timeout=timeout) as answer:
            return answer.read().decode()

    def stats(self):
        return json.loads(self.get("/stats"))

    def metrics(self):
        """Returns a dictionary from sample name with labels to value."""
        found = re.findall(r"^([^#\s]+) (\S+)", self.get("/metrics"), re.MULTILINE)
        return {sample: float(value) for sample, value in found}

    def sum(self, name, label=""):
        """Returns the sum of the samples with this name and label, or 0 if there are none."""
        figures = self.metrics().items()
        return sum(value for key, value in figures if key.split("{")[0] == name and label in key)


def raw(ws, receive_bytes=None):
    """Connects a raw subscriber of `news` to HOST:PORT, with a receive buffer of `receive_bytes` if
    given."""
    host, port = ws.split(":")
    client = socket.socket()
    if receive_bytes:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    client.connect((host, int(port)))
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    client.sendall(f"GET /raw?topic=news HTTP/1.1\r\nHost: {ws}\r\n{upgrade}{key}\r\n".encode())
    answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    return client


def lossy(tools):
    """Returns the binary that loses messages on purpose (src/observe/lossy.rs), or None."""
    path = pathlib.Path(os.environ.get("FANFARE_LOSSY") or tools / "fanfare-lossy")
    return path if path.exists() else None


def until(condition, timeout_s, what):
    """Returns the first true value of `condition()`. Raises RuntimeError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {timeout_s} s: {what}")
        time.sleep(0.02)
    return value


def arguments(name):
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("--fanfare", required=True)
    parser.add_argument("--tools", type=pathlib.Path, required=True)
    parser.add_argument("--logs", type=pathlib.Path, required=True)
    parsed = parser.parse_args()
    parsed.logs.mkdir(parents=True, exist_ok=True)
    return parsed


class Report:
    """Runs checks. A check is a function that raises an exception when it fails."""

    def __init__(self, name):
        self.name, self.failed = name, 0

    def check(self, name, function, *arguments):
        try:
            note = function(*arguments)
        except Exception as error:
            traceback.print_exc()
            self.failed += 1
            print(f"not ok {self.name}: {name}: {error}", flush=True)
        else:
            print(f"ok {self.name}: {name}{f' ({note})' if note else ''}", flush=True)

    def skip(self, reason):
        print(f"SKIPPED {self.name}: {reason}", flush=True)
