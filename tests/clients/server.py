"""Starts a `fanfare serve` process, waits until it is healthy, and kills, drains or restarts it."""

import signal
import subprocess
import time
import tomllib
import urllib.error
import urllib.request

START_TIMEOUT_S = 15
STOP_TIMEOUT_S = 15
CONTROL = ("127.0.0.1", 18080)


class Server:
    """One server on fixed ports. Restarts append to the same log."""

    def __init__(self, binary, arguments, health_url, log_path):
        self.command = [binary, "serve", *arguments]
        self.health_url = health_url
        self.log_path = log_path
        self.process = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._healthy():
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}: see {self.log_path}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"not healthy within {START_TIMEOUT_S} s: see {self.log_path}")
            time.sleep(0.05)

    def kill(self):
        """Sends SIGKILL, which simulates a crash. Returns the exit status."""
        return self._end(signal.SIGKILL)

    def drain(self):
        """Sends SIGTERM. Returns the exit status, which is 0 if the drain succeeded."""
        return self._end(signal.SIGTERM)

    def close(self):
        """Kills the process if it is still running."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _end(self, number):
        self.process.send_signal(number)
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.close()
            return None

    def _healthy(self):
        try:
            with urllib.request.urlopen(self.health_url, timeout=1) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


class Addresses:
    """The addresses in fanfare.toml, and the address of the conductor."""

    def __init__(self, path, control=CONTROL):
        config = tomllib.loads(path.read_text())
        ingest = config["ingest"]
        self.pull, self.sub, self.router = ingest["pull"], ingest["sub"], ingest["router"]
        self.ws = f"ws://{config['ws']['listen']}"
        self.client = f"{self.ws}/connection/websocket"
        self.raw = f"{self.ws}/raw"
        self.health = f"http://{config['ws']['listen']}/health"
        self.api = f"http://{config['admin']['listen']}/api"
        self.api_key = config["admin"].get("api_keys", [""])[0]
        self.metrics = f"http://{config['admin']['listen']}/metrics"
        self.conductor = control
        self.control = f"http://{control[0]}:{control[1]}"
