"""Compares numbers that appear in several places: the unit, the commands for containers, the pages
and the defaults. Then measures a drain with a client that does not answer."""

import pathlib
import re
import socket
import subprocess
import sys
import time

from node import Node, Report, arguments

ROOT = pathlib.Path(__file__).parents[2]
UNIT = (ROOT / "tuning/systemd/fanfare.service").read_text()
OPERATIONS = (ROOT / "docs/OPERATIONS.md").read_text()
TEXTS = [ROOT / "README.md", ROOT / "tuning/docker/Dockerfile", *sorted(ROOT.glob("docs/*.md"))]
PORTS = 18450

UPGRADE = (
    b"GET /raw?topic=work HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def unit(key):
    (value,) = re.findall(rf"(?m)^{key}=(.*)$", UNIT)
    return value


def seconds(text):
    number, name = re.fullmatch(r"(\d+)(s|m|h)", text).groups()
    return int(number) * {"s": 1, "m": 60, "h": 3600}[name]


def default(fanfare, key):
    keys = subprocess.run([fanfare, "keys"], capture_output=True, text=True, timeout=10, check=True).stdout
    return re.search(rf"(?m)^{re.escape(key)} = (.*)$", keys)[1]


def close_timeout_s():
    """Returns how long the server waits for the answer to a close frame."""
    text = (ROOT / "src/limits/timers.rs").read_text()
    return int(re.search(r"CLOSE_TIMEOUT: Duration = Duration::from_secs\((\d+)\)", text)[1])


def docker_commands():
    """Returns the commands `docker run` in the texts, each as one line."""
    commands = []
    for path in TEXTS:
        text = re.sub(r"\\\n#?", " ", path.read_text())
        commands += [(path.name, line) for line in text.splitlines() if re.match(r"(# )?docker run ", line)]
    return commands


def stop_timeouts(fanfare):
    """Every stop timeout is that of the unit, and sufficient for the default drain."""
    stop_s, period_s = seconds(unit("TimeoutStopSec")), seconds(default(fanfare, "drain.period"))
    needed_s = period_s + 2 * close_timeout_s()
    assert needed_s <= stop_s, f"a drain may take {needed_s} s, but TimeoutStopSec is {stop_s} s"
    commands = docker_commands()
    assert len(commands) >= 2, commands
    for name, command in commands:
        assert f"--stop-timeout {stop_s} " in command, f"{name}: {command}"
    assert f"stop_grace_period: {stop_s}s" in OPERATIONS, "compose"
    assert f"terminationGracePeriodSeconds: {stop_s}" in OPERATIONS, "Kubernetes"
    assert f"`drain.period` plus {2 * close_timeout_s()} s" in OPERATIONS, "the formula"
    return f"{stop_s} s, of which a drain needs {needed_s} s"


def limits():
    """The limits for containers are those of the unit."""
    descriptors = int(unit("LimitNOFILE"))
    memory = int(unit("LimitMEMLOCK").removesuffix("M")) << 20
    for name, command in docker_commands():
        wanted = (f"nofile={descriptors} ", f"memlock={memory} ")
        assert all(limit in command for limit in wanted), f"{name}: {command}"
    assert f"nofile: {descriptors}" in OPERATIONS and f"memlock: {memory}" in OPERATIONS, "compose"
    return f"{descriptors} descriptors, {memory} bytes"


def described():
    """The page states the values of the unit."""
    page = re.sub(r"\s+", " ", OPERATIONS)
    watchdog_s, restart_s = seconds(unit("WatchdogSec")), seconds(unit("RestartSec"))
    assert f"`WatchdogSec` ({watchdog_s} s in the unit)" in page, "WatchdogSec"
    assert f"Watchdog timeout (limit {watchdog_s}s)!" in page, "the message of the watchdog"
    assert f"memory of fanfare to {unit('MemoryMax').rstrip('%')} % of the host" in page, "MemoryMax"
    assert restart_s == 1 and "systemd restarts it after one second" in page, "RestartSec"
    assert f"RestartPreventExitStatus={2}" in UNIT and "exits with code 2" in page, "exit code 2"


def idle_timeouts(fanfare):
    """`ws.ping` is below half of each idle timeout in the table of TUNING.md."""
    page = (ROOT / "docs/TUNING.md").read_text().partition("### 3. Idle timeouts")[2].partition("### ")[0]
    rows = dict(re.findall(r"(?m)^\| ([A-Z][^|]+) \| \**([\d,]+) s\**", page))
    for name, timeout_s in {"Application Load Balancer": 60, "Global Accelerator, TCP": 340}.items():
        assert rows.get(name) == str(timeout_s), f"{name}: {rows.get(name)}"
    shortest_s = min(int(timeout.replace(",", "")) for timeout in rows.values())
    ping_s = seconds(default(fanfare, "ws.ping"))
    assert ping_s < shortest_s / 2, f"ws.ping is {ping_s} s, and the shortest timeout {shortest_s} s"
    return f"{ping_s} s, {len(rows)} timeouts of at least {shortest_s} s"


def drained(fanfare, log):
    """A drain ends in time although its client does not answer the close frame."""
    with Node(fanfare, log, PORTS) as node:
        with socket.create_connection(("127.0.0.1", PORTS)) as client:
            client.sendall(UPGRADE)
            assert client.recv(1024).startswith(b"HTTP/1.1 101 ")
            began = time.monotonic()
            node.server.process.terminate()
            status = node.server.process.wait(seconds(unit("TimeoutStopSec")))
            took_s = time.monotonic() - began
    assert status == 0, status
    return f"{took_s:.1f} s"


def main():
    given, report = arguments("agreement"), Report("agreement")
    report.check("every stop timeout is that of the unit and sufficient", stop_timeouts, given.fanfare)
    report.check("the limits of containers are those of the unit", limits)
    report.check("the page states the values of the unit", described)
    report.check("ws.ping is below half of each idle timeout", idle_timeouts, given.fanfare)
    log = given.logs / "drained.log"
    report.check("a drain ends within the stop timeout", drained, given.fanfare, log)
    return report.failed > 0


if __name__ == "__main__":
    sys.exit(main())
