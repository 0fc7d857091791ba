"""Runs clients through HAProxy, nginx and Apache, one process per proxy, at the same time.

    proxies.py --fanfare BINARY --tools DIR --logs DIR [NAME...]

Prints lines as run.py does. Each proxy has ports of its own, and a fanfare server of its own.
"""

import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import run
from browsers import end_group
from server import CONTROL, Addresses

CONFIGS = run.HERE / "interop"
START_TIMEOUT_S = 15
STEP = 25  # between the ports of two proxies


def which(name, *places):
    path = ":".join(["/usr/sbin", "/usr/local/sbin", *map(str, places)])
    return shutil.which(name) or shutil.which(name, path=path)


def proxies(tools):
    """Returns a dictionary from name to the port of the proxy, and its command in a directory."""
    haproxy, apache = which("haproxy"), which("apache2")
    nginx = which("nginx", tools / "nginx/usr/sbin")
    return {
        "HAProxy": (18020, lambda _: [haproxy, "-db", "-f", CONFIGS / "haproxy.cfg"]),
        "nginx": (18045, lambda at: [nginx, "-p", at, "-e", "stderr", "-c", CONFIGS / "nginx.conf"]),
        "Apache": (
            18070, lambda at: [apache, "-D", "FOREGROUND", "-d", at, "-f", CONFIGS / "apache.conf"]
        ),
    }


def programs(name, tools, at, port):
    """Returns a dictionary from name to client."""
    python, node = tools / "python/bin/python", shutil.which("node") or "node"
    url = f"ws://127.0.0.1:{port}"
    sdk = [f"{url}/connection/websocket", at.control]
    programs = {
        "own checks": run.Client([python, CONFIGS / "proxy.py"], [url, at.control]),
        "websockets": run.Client([python, run.HERE / "raw.py"], [f"{url}/raw", at.control]),
        "centrifuge-js": run.Client([node, run.HERE / "sdk.mjs"], [*sdk, "json"], True),
        "centrifuge-js, Protobuf": run.Client([node, run.HERE / "sdk.mjs"], [*sdk, "protobuf"], True),
    }
    if name == "HAProxy":
        http2 = ["127.0.0.1", "18021", at.control]
        programs["HTTP/2"] = run.Client([python, CONFIGS / "http2_client.py"], http2)
    return programs


class Proxy:
    """A proxy process. Entering waits until it accepts connections; leaving kills it."""

    def __init__(self, command, port, log_path):
        self.command, self.port, self.log_path = command, port, log_path

    def __enter__(self):
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.accepts():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"the proxy does not accept connections: see {self.log_path}")
            time.sleep(0.02)

    def __exit__(self, *_):
        end_group(self.process)

    def accepts(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False


def shifted(index, logs):
    """Writes a copy of fanfare.toml with other ports. Returns its path."""
    moved = lambda port: f"127.0.0.1:{int(port[1]) + index * STEP}"
    config = logs / f"fanfare-{index}.toml"
    text = (run.HERE / "fanfare.toml").read_text()
    config.write_text(re.sub(r"127\.0\.0\.1:(\d+)", moved, text))
    return config


def run_one(arguments, name):
    """Runs all programs through one proxy. Returns whether all checks passed."""
    index = list(proxies(arguments.tools)).index(name)
    port, command = proxies(arguments.tools)[name]
    config = shifted(index, arguments.logs)
    at = Addresses(config, (CONTROL[0], CONTROL[1] + index))
    # An empty list allows the origin of the proxy, if the proxy preserves Host.
    options = ("-c", config, "-s", "ws.origins=[]")
    clean = True
    with tempfile.TemporaryDirectory() as directory:
        command = command(directory)
        if not command[0]:
            print(f"SKIPPED {name}: not installed", flush=True)
            return True
        try:
            with Proxy(command, port, arguments.logs / f"{name.lower()}.proxy.log"):
                for program, client in programs(name, arguments.tools, at, port).items():
                    program = f"{name}: {program}"
                    each = run.Run(program, client.compressed, arguments, at, options)
                    each.run([*client.command, *client.arguments])
                    clean &= each.clean
        except RuntimeError as fault:
            print(f"not ok {name}: start: {fault}", flush=True)
            return False
    return clean


def main():
    arguments = run.parse_arguments()
    names = arguments.names or list(proxies(arguments.tools))
    if len(names) == 1:
        return 0 if run_one(arguments, names[0]) else 1
    command = [sys.executable, __file__, *sys.argv[1 : len(sys.argv) - len(arguments.names)]]
    processes = [subprocess.Popen([*command, name]) for name in names]
    try:
        return int(any([process.wait() for process in processes]))
    finally:
        for process in processes:
            process.terminate()


if __name__ == "__main__":
    sys.exit(main())
