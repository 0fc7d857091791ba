"""Runs statsd, carbon and graphite-web as separate processes on loopback ports.

`run.sh` installs them in the tools directory: statsd with npm, the others with pip. statsd flushes
every two seconds and carbon stores points of one second, so two flushes never share a point.
"""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request

from node import until

FLUSH_S = 2
PERCENTILES = [50, 99, 99.9]

CARBON = """
[cache]
STORAGE_DIR = {root}
CONF_DIR = {root}
LOCAL_DATA_DIR = {root}/whisper
PID_DIR = {root}
LOG_DIR = {root}
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {line}
ENABLE_UDP_LISTENER = False
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = {pickle}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = {query}
MAX_CREATES_PER_MINUTE = inf
MAX_UPDATES_PER_SECOND = inf
ENABLE_TAGS = False
CARBON_METRIC_INTERVAL = 0
"""

SCHEMAS = """
[all]
pattern = .*
retentions = 1s:10m
"""

# From the documentation of statsd, for retentions that are aggregated to a coarser step.
AGGREGATION = """
[upper]
pattern = \\.upper(_\\d+)*$
xFilesFactor = 0
aggregationMethod = max
[count]
pattern = \\.(sum|count)$
xFilesFactor = 0
aggregationMethod = sum
"""

STATSD = """{{
  port: {udp}, address: "127.0.0.1", mgmt_port: {management}, mgmt_address: "127.0.0.1",
  backends: ["./backends/graphite"], graphiteHost: "127.0.0.1", graphitePort: {line},
  graphite: {{ legacyNamespace: false }},
  flushInterval: {flush_ms}, percentThreshold: {percentiles}, deleteIdleStats: true
}}
"""

WEB_SETTINGS = """
SECRET_KEY = "for tests on loopback"
STORAGE_DIR = LOG_DIR = {root!r}
WHISPER_DIR = {root!r} + "/whisper"
STANDARD_DIRS = [WHISPER_DIR]
INDEX_FILE = {root!r} + "/index"
CARBONLINK_HOSTS = ["127.0.0.1:{query}:a"]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}}
ALLOWED_HOSTS = ["127.0.0.1"]
TIME_ZONE = "UTC"
"""

WEB = """
import sys
from wsgiref.simple_server import make_server
from graphite.wsgi import application
make_server("127.0.0.1", int(sys.argv[1]), application).serve_forever()
"""


class Graphite:
    """The three processes. `base` is the first of six ports. `root` is an empty directory."""

    def __init__(self, tools, root, base):
        names = ("udp", "management", "line", "pickle", "query", "web")
        self.ports = {name: base + n for n, name in enumerate(names)}
        self.tools, self.root, self.processes = tools.resolve(), root.resolve(), []
        self.statsd = f"127.0.0.1:{base}"

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGKILL)
            process.wait()

    def _start(self):
        (self.root / "whisper").mkdir(parents=True)
        values = {"root": str(self.root), "flush_ms": FLUSH_S * 1000, **self.ports}
        values["percentiles"] = json.dumps(PERCENTILES)
        for name, text in [("carbon.conf", CARBON), ("statsd.js", STATSD), ("web.py", WEB_SETTINGS)]:
            (self.root / name).write_text(text.format(**values))
        (self.root / "storage-schemas.conf").write_text(SCHEMAS)
        (self.root / "storage-aggregation.conf").write_text(AGGREGATION)
        python = self.tools / "graphite/bin/python"
        carbon = self.tools / "graphite/bin/carbon-cache.py"
        self._run(
            "carbon", python, carbon, f"--config={self.root}/carbon.conf", "--nodaemon", "start"
        )
        self._run("web", python, "-c", WEB, str(self.ports["web"]))
        self._listens("line")
        stats = self.tools / "statsd/node_modules/statsd/stats.js"
        self._run("statsd", "node", stats, self.root / "statsd.js")
        self._listens("management")
        self._listens("web")

    def _run(self, name, *command):
        paths = f"{self.root}:{os.environ.get('PYTHONPATH', '')}"
        settings = {"GRAPHITE_SETTINGS_MODULE": "web", "GRAPHITE_ROOT": str(self.root)}
        with open(self.root / f"{name}.log", "wb") as log:
            self.processes.append(
                subprocess.Popen(
                    [str(word) for word in command],
                    env={**os.environ, **settings, "PYTHONPATH": paths},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    def _listens(self, name):
        def answers():
            for process in self.processes:
                if process.poll() is not None:
                    raise RuntimeError(f"{process.args} ended: see the logs in {self.root}")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.ports[name])) == 0

        until(answers, 20, f"{name} listens")

    def bad_lines(self):
        """Returns the number of lines that statsd could not parse, from its own statistics."""
        with socket.create_connection(("127.0.0.1", self.ports["management"]), 5) as stream:
            stream.sendall(b"stats\n")
            answer = b""
            while b"END" not in answer:
                answer += stream.recv(4096)
        lines = dict(line.split(": ") for line in answer.decode().splitlines() if ": " in line)
        return int(lines["messages.bad_lines_seen"])

    def points(self, target):
        """Returns the points of each series over the last minutes, without empty points."""
        query = urllib.parse.urlencode({"target": target, "from": "-9min", "format": "json"})
        url = f"http://127.0.0.1:{self.ports['web']}/render?{query}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            series = json.load(answer)
        found = {each["target"]: [v for v, _ in each["datapoints"]] for each in series}
        return {name: [v for v in values if v is not None] for name, values in found.items()}

    def total(self, name):
        """Returns the sum of a counter."""
        return sum(sum(values) for values in self.points(f"stats.counters.{name}.count").values())

    def settle(self):
        """Waits until everything that statsd has received is in graphite. A flush may arrive in
        parts: the first mark shows that a flush has begun, the second that it has ended."""
        for mark in (f"mark.{time.monotonic_ns()}" for _ in range(2)):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(f"{mark}:1|c".encode(), ("127.0.0.1", self.ports["udp"]))
            until(lambda: self.total(mark) == 1, 4 * FLUSH_S, f"{mark} in graphite")
