"""Runs a real Prometheus with the configuration, rules and dashboard of this project.

The Debian package is unpacked in the tools directory and not installed, so that no daemon starts.
"""

import json
import pathlib
import re
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request

from node import until

TUNING = pathlib.Path(__file__).parents[2] / "tuning"
RULES = TUNING / "prometheus"
DASHBOARD = TUNING / "grafana/fanfare.json"
# The values that replace the variables of Grafana.
VARIABLES = {"$__rate_interval": "10s", "$instance": ".*"}


def program(tools, name):
    return tools / "prometheus/usr/bin" / name


def promtool(tools, *words):
    """Runs promtool and returns its output. Raises RuntimeError if it fails."""
    command = [str(program(tools, "promtool")), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"promtool {' '.join(map(str, words))}: {done.stdout}{done.stderr}")
    return done.stdout


def names(expression):
    """Returns the names of the metrics in an expression."""
    return set(re.findall(r"\b((?:fanfare|process)_[a-z_]+)", expression))


def panels():
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def dashboard_queries():
    """Returns pairs of panel title and query, with the variables replaced."""
    found = []
    for panel in panels():
        for target in panel["targets"]:
            query = target["expr"]
            for variable, value in VARIABLES.items():
                query = query.replace(variable, value)
            found.append((panel["title"], query))
    return found


class Prometheus:
    """A server in the directory `root`. It scrapes `nodes` with the shipped configuration at
    `interval_s`. Without nodes, it only answers queries from existing data."""

    def __init__(self, tools, root, port, nodes=(), interval_s=1):
        self.url, self.root, self.port = f"http://127.0.0.1:{port}", root.resolve(), port
        self.binary, self.nodes, self.interval_s = program(tools, "prometheus").resolve(), nodes, interval_s

    def __enter__(self):
        self.root.mkdir(parents=True, exist_ok=True)
        shutil.copy(RULES / "alerts.yml", self.root)
        (self.root / "prometheus.yml").write_text(self._config())
        command = [
            self.binary,
            f"--config.file={self.root}/prometheus.yml",
            f"--storage.tsdb.path={self.root}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--storage.tsdb.retention.time=1d",
        ]
        with open(self.root / "prometheus.log", "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until(self._ready, 20, f"Prometheus is ready: see {self.root}/prometheus.log")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _config(self):
        text = (RULES / "prometheus.yml").read_text()
        targets = json.dumps([node.admin.removeprefix("http://") for node in self.nodes])
        text, intervals = re.subn(r"_interval: 15s", f"_interval: {self.interval_s}s", text)
        text, lists = re.subn(r'(?m)^      - targets: .*$', f"      - targets: {targets}", text)
        if (intervals, lists) != (2, 1):
            raise RuntimeError("the shipped configuration has another form than this program expects")
        return text

    def _ready(self):
        try:
            return urllib.request.urlopen(f"{self.url}/-/ready", timeout=1).status == 200
        except OSError:
            return False

    def ask(self, path, **query):
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{query}: {error.read().decode()}") from error

    def query(self, expression, **more):
        """Returns the samples of an instant query as pairs of labels and value."""
        result = self.ask("query", query=expression, **more)["result"]
        return [(sample["metric"], float(sample["value"][1])) for sample in result]

    def range(self, expression, start, end, step):
        return self.ask("query_range", query=expression, start=start, end=end, step=step)["result"]

    def alerts(self):
        """Returns the alert rules with name, query and annotations."""
        groups = self.ask("rules", type="alert")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def active(self):
        """Returns the alerts that are pending or firing."""
        return self.ask("alerts")["alerts"]
