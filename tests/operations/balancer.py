"""Runs HAProxy with the shipped configuration, unchanged, as root: privileges, log, reload, and the
number of connections that its host can pass on.

Everything runs in namespaces of its own, with the addresses of the configuration on the loopback
interface. The sysctls that the checks change belong to the network namespace.
"""

import contextlib
import os
import pathlib
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys

from node import Node, Report, arguments, until

TUNING = pathlib.Path(__file__).parents[2] / "tuning/haproxy"
SHIPPED, SYSCTL = TUNING / "haproxy.cfg", TUNING / "sysctl.conf"
PAGE = pathlib.Path(__file__).parents[2] / "docs/BALANCING.md"
PORT_RANGE = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
BASE = 18400
FRONT = ("127.0.0.1", 8080)
ADMIN = "/run/haproxy/admin.sock"
IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h

# A host may not allow the descriptors for the shipped `maxconn`. This one needs 18,038.
FEWER_CONNECTIONS = 9000
# The number of local ports in the checks that use them up. Health checks use some of them too.
FEW_PORTS = 40
CHECKS = 4
SOURCES = ("10.0.0.2", "10.0.0.3")

UPGRADE = (
    b"GET /raw?topic=work HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def shipped_servers():
    """Returns the addresses of the servers in the configuration."""
    return re.findall(r"(?m)^    server \S+ (\S+):8000$", SHIPPED.read_text())


def ports(text):
    """Returns the number of ports in a range of two numbers."""
    first, last = map(int, text.split())
    return last - first + 1


def most_connections():
    """Returns the shipped `maxconn`."""
    return int(re.search(r"(?m)^    maxconn (\d+)$", SHIPPED.read_text())[1])


def startable(text):
    """Returns the configuration with a `maxconn` for which this host has descriptors."""
    wanted = 2 * most_connections() + 1000
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    except (OSError, ValueError):
        text = re.sub(r"(?m)^    maxconn \d+$", f"    maxconn {FEWER_CONNECTIONS}", text)
    return text


class Balancer:
    """HAProxy as a master process and a worker, as its systemd unit starts it."""

    def __init__(self, logs, name, change=lambda text: text):
        self.config, self.log_path = logs / f"{name}.cfg", logs / f"{name}.log"
        self.config.write_text(change(startable(SHIPPED.read_text())))
        with open(self.log_path, "wb") as log:
            command = ["haproxy", "-W", "-db", "-f", self.config]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        until(self._listens, 10, f"HAProxy listens: see {self.log_path}")
        until(self._has_servers, 20, "every node is up")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)

    def _listens(self):
        with contextlib.suppress(OSError):
            socket.create_connection(FRONT, 1).close()
            return True
        return False

    def _has_servers(self):
        with contextlib.suppress(OSError):  # The socket of the previous HAProxy may still be there.
            return all(state.startswith("UP") for state in self.column("status").values())
        return False

    def column(self, name):
        """Returns a column of the statistics of each server, such as `scur`, its connections."""
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(ADMIN)
            admin.sendall(b"show stat\n")
            lines = b"".join(iter(lambda: admin.recv(65536), b"")).decode().splitlines()
        names = lines[0].lstrip("# ").split(",")
        rows = [dict(zip(names, line.split(","))) for line in lines[1:] if line]
        return {row["svname"]: row[name] for row in rows if row["svname"].startswith("edge")}

    def workers(self):
        """Returns the process ids of the workers."""
        pid = self.process.pid
        return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def log(self):
        return self.log_path.read_text()

    def reload(self):
        """Sends SIGUSR2 until the master process reacts. It ignores the signal while it starts."""
        for _ in range(10):
            self.process.send_signal(signal.SIGUSR2)
            with contextlib.suppress(RuntimeError):
                return until(lambda: len(self.workers()) > 1, 1, "a second worker")
        raise RuntimeError(f"no reload: see {self.log_path}")


class Clients:
    """WebSocket clients through the load balancer. Each group of clients has its own address, so
    that the clients do not use up the ports of a single address."""

    def __init__(self):
        self.open, self.count, self.refused = [], 0, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in self.open:
            client.close()

    def connect(self, count):
        """Opens connections one after another. Returns how many were refused."""
        refused = 0
        for _ in range(count):
            client = socket.socket()
            client.settimeout(10)
            client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            client.bind((f"127.0.1.{self.count // (FEW_PORTS // 2) + 1}", 0))
            self.count += 1
            client.connect(FRONT)
            client.sendall(UPGRADE)
            head = client.recv(1024)
            if head.startswith(b"HTTP/1.1 101 "):
                self.open.append(client)
            else:
                refused += 1
                client.close()
        return refused

    def lost(self):
        """Removes the clients whose connections have ended, and returns their number."""
        ended = []
        for client in self.open:
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                with contextlib.suppress(ConnectionError):
                    if client.recv(1024):
                        continue
                ended.append(client)
        for client in ended:
            self.open.remove(client)
            client.close()
        return len(ended)


class Site:
    """The nodes of the configuration."""

    def __init__(self, given):
        self.given, self.nodes, self.stack = given, {}, contextlib.ExitStack()

    def __enter__(self):
        for index, address in enumerate(shipped_servers()):
            settings = {
                "ws.listen": f"{address}:8000",
                # The address is not a loopback address, and this test is not about tokens.
                "auth.insecure": "true",
                "agent.listen": f"{address}:5555",
                "cpu.shards": 1,
                "load.rise": "100%",
            }
            node = Node(self.given.fanfare, self.given.logs / f"node-{index}.log", BASE + 10 * index, settings)
            node.server.health_url = f"http://{address}:8000/health"
            self.nodes[f"edge{index + 1}"] = self.stack.enter_context(node)
        return self

    def __exit__(self, *_):
        self.stack.close()


# ---- the checks -----------------------------------------------------------------------------


def arithmetic():
    """`maxconn` fits the ports of the nodes that are left when one fails, with the defaults of the
    kernel. The page contains the figures that follow from the shipped files."""
    text, page = SHIPPED.read_text(), PAGE.read_text()
    most = most_connections()
    each, left = ports(PORT_RANGE.read_text()), len(shipped_servers()) - 1
    assert most <= each * left, f"maxconn {most}, but {left} nodes with {each} ports each"
    (wide,) = re.findall(r"(?m)^net.ipv4.ip_local_port_range = (.*)$", SYSCTL.read_text())
    figures = [most, 2 * most] + [n for one in (each, ports(wide), 2 * ports(wide)) for n in (one, one * left)]
    for figure in figures:
        assert f"{figure:,}" in page, f"{PAGE.name} does not contain {figure:,}"
    for figure in (each, each * left):
        assert f"{figure:,}" in text, f"{SHIPPED.name} does not contain {figure:,}"
    return f"maxconn {most:,}, {left} x {each:,} ports"


def unprivileged(balancer):
    """The worker has neither privileges nor the files of the host. Only root opens the socket."""
    (worker,) = balancer.workers()
    status = pathlib.Path(f"/proc/{worker}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    user = pwd.getpwnam("haproxy")
    assert fields["Uid"].split() == [str(user.pw_uid)] * 4, fields["Uid"]
    assert fields["Gid"].split() == [str(user.pw_gid)] * 4, fields["Gid"]
    assert fields["CapEff"].strip("0") == "" and fields["CapPrm"].strip("0") == "", fields["CapEff"]
    assert os.readlink(f"/proc/{worker}/root") == "/var/lib/haproxy", os.readlink(f"/proc/{worker}/root")
    found = os.stat(ADMIN)
    assert (found.st_uid, found.st_mode & 0o777) == (0, 0o600), (found.st_uid, oct(found.st_mode))
    code = f"import socket; socket.socket(socket.AF_UNIX).connect({ADMIN!r})"
    tried = subprocess.run(
        ["setpriv", "--reuid=haproxy", "--regid=haproxy", "--clear-groups", "/usr/bin/python3", "-c", code],
        capture_output=True,
        text=True,
    )
    assert tried.returncode and "PermissionError" in tried.stderr, tried
    limit = re.search(r"Max open files +(\d+)", pathlib.Path(f"/proc/{worker}/limits").read_text())[1]
    return f"user {user.pw_name}, {int(limit):,} descriptors"


def logged(balancer):
    """The log names the client and the server of each connection."""
    with Clients() as clients:
        assert clients.connect(1) == 0
        (address, port) = clients.open[0].getsockname()
    line = rf"{address}:{port} .*fanfare/edge\d .* 101 .*GET /raw\?topic=work HTTP/1.1"
    found = until(lambda: re.search(line, balancer.log()), 5, f"{line} in {balancer.log_path}")
    return found[0][:60]


def reloaded(balancer):
    """A reload keeps connections, and the previous worker ends after hard-stop-after."""
    (old,) = balancer.workers()
    with Clients() as clients:
        assert clients.connect(8) == 0
        balancer.reload()
        kept = 8 - clients.lost()
        assert kept == 8, f"{kept} of 8 connections are left after the reload"
        until(lambda: old not in balancer.workers(), 10, "the end of the previous worker")
        until(lambda: clients.lost() or not clients.open, 5, "the end of its connections")
        assert clients.connect(2) == 0, "the new worker accepts connections"
    assert os.stat(ADMIN).st_mode & 0o777 == 0o600


def node_fails(site, balancer):
    """With ports for all on three nodes, the clients of a killed node are accepted again. Beyond
    these ports, clients are refused and the log names the reason."""
    fits = (len(site.nodes) - 1) * FEW_PORTS - CHECKS * len(site.nodes) - 10
    with Clients() as clients, contextlib.ExitStack() as stack:
        assert clients.connect(fits) == 0
        lost = int(balancer.column("scur")["edge1"])
        left = fits - lost
        site.nodes["edge1"].server.kill()
        stack.callback(site.nodes["edge1"].server.start)
        until(lambda: len(clients.open) - clients.lost() == left, 5, "the end of its connections")
        refused = clients.connect(lost)
        assert refused == 0, f"{refused} of {lost} clients were refused after a node had failed"
        refused = clients.connect(FEW_PORTS)
        assert refused, "more clients than ports"
        assert len(clients.open) <= 3 * FEW_PORTS, len(clients.open)
        assert "no free ports" in balancer.log(), balancer.log_path
    return f"{fits} clients, {lost} lost and accepted again; of {FEW_PORTS} more, {refused} refused"


def without_agent(text):
    """Gives all nodes the same weight, so that they get the same number of clients."""
    return re.sub(r" agent-check .*", "", text)


def two_sources(text):
    """Lists each server twice, with one of two source addresses each."""
    text = without_agent(text)
    servers = re.findall(r"(?m)^    server (\S+) (\S+:8000)$", text)
    text = re.sub(r"(?m)^    server .*\n", "", text)
    for name, address in servers:
        for letter, source in zip("ab", SOURCES):
            text += f"    server {name}{letter} {address} source {source}\n"
    return text


def doubled():
    """With two source addresses there are twice as many ports."""
    count = 4 * FEW_PORTS + 20
    with Clients() as clients:
        refused = clients.connect(count)
    assert refused == 0, f"{refused} of {count} refused"
    return f"{count} clients on {4 * FEW_PORTS} ports of each address"


def accepted_settings():
    """The kernel accepts the settings, and HAProxy then has the accept queue that it asks for."""
    subprocess.run(["sysctl", "-q", "-p", SYSCTL], check=True, capture_output=True, timeout=10)
    for key, wanted in re.findall(r"(?m)^(\S+) = (.*)$", SYSCTL.read_text()):
        found = pathlib.Path("/proc/sys", key.replace(".", "/")).read_text().split()
        assert found == wanted.split(), (key, found)


def queue_length(wanted):
    """The accept queue has the length `wanted`, or that of `maxconn` if it is shorter."""
    listening = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True, check=True).stdout
    (length,) = {line.split()[2] for line in listening.splitlines() if line.split()[3].endswith(":8080")}
    (most,) = {int(value) for value in re.findall(r"(?m)^    maxconn (\d+)$", startable(SHIPPED.read_text()))}
    assert int(length) == min(wanted, most), listening
    return length


def inside(given, report):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (*shipped_servers(), *SOURCES):
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    pathlib.Path("/run/haproxy").mkdir()
    report.check("maxconn fits the ports of the other nodes when one fails", arithmetic)
    with Site(given) as site:
        with Balancer(given.logs, "shipped") as balancer:
            report.check("by default, the accept queue is shorter than maxconn", queue_length, 4096)
            report.check("the worker has no privileges", unprivileged, balancer)
            report.check("the log names the server of a connection", logged, balancer)
        soon = lambda text: re.sub(r"hard-stop-after \S+", "hard-stop-after 2s", text)  # noqa: E731
        with Balancer(given.logs, "reloaded", soon) as balancer:
            report.check("hard-stop-after ends the previous worker", reloaded, balancer)
        report.check("the kernel accepts sysctl.conf", accepted_settings)
        with Balancer(given.logs, "queue"):
            report.check("the accept queue is as long as sysctl.conf allows", queue_length, 65535)
        PORT_RANGE.write_text(f"20000 {20000 + FEW_PORTS - 1}")
        with Balancer(given.logs, "ports", without_agent) as balancer:
            report.check("a failed node's clients fit the ports of the others", node_fails, site, balancer)
        with Balancer(given.logs, "sources", two_sources):
            report.check("a second source address doubles the ports", doubled)


def main():
    given, report = arguments("balancer"), Report("balancer")
    os.environ["PATH"] += ":/usr/sbin"
    if missing := [name for name in ("haproxy", "ip", "ss", "setpriv") if not shutil.which(name)]:
        return report.skip(f"not installed: {', '.join(missing)}")
    if os.environ.get("FANFARE_BALANCER") == "inside":
        inside(given, report)
        return report.failed > 0
    if os.geteuid():
        return report.skip("the namespaces and the chroot of HAProxy require root privileges")
    namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    environment = {**os.environ, "FANFARE_BALANCER": "inside"}
    if subprocess.run(["unshare", *namespaces, "true"], capture_output=True).returncode:
        return report.skip("namespaces are not permitted here")
    command = ["unshare", *namespaces, sys.executable, *sys.argv]
    return subprocess.run(command, env=environment, timeout=180).returncode


if __name__ == "__main__":
    sys.exit(main())
