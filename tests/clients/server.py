"""A `fanfare serve` process: started, asked for its health, killed or drained, started again."""

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
    """One server on fixed ports; its log is appended to over restarts."""

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
                raise RuntimeError(f"the server ended with {self.process.returncode}: {self.log_path}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"no health within {START_TIMEOUT_S} s: {self.log_path}")
            time.sleep(0.05)

    def kill(self):
        """kill -9, as a crash would; returns the exit status."""
        return self._end(signal.SIGKILL)

    def drain(self):
        """SIGTERM; returns the exit status, 0 when the drain went well."""
        return self._end(signal.SIGTERM)

    def close(self):
        """Leaves nothing running, whatever state the checks left the process in."""
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
