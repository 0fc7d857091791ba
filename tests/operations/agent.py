"""The agent with a real HAProxy. The loads of nodes become even whatever a connection costs, a
draining node receives no new connections, and a joining node does not receive too many at once.

The connections of the four nodes cost 1, 1, 1 and 10: they receive the same number of messages per
second, and the messages of the last node are ten times as long. The egress budget of each node is
the traffic of 400 cheap connections, so that egress is the largest part of the load on every host.
The checks compare the bytes written, as counted by the nodes.

ALGORITHM=leastconn, for example, tests another algorithm than the shipped configuration uses.
"""

import asyncio
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import zmq

from node import Node, Report, arguments, until

SHIPPED = pathlib.Path(__file__).parents[2] / "tuning" / "haproxy" / "haproxy.cfg"
BASE = 18240
FRONTS = (18290, 18291)

PLANNED = 400
MESSAGES_PER_S = 5
CHEAP_BYTES = 40
COSTS = (1, 1, 1, 10)
BUDGET = PLANNED * MESSAGES_PER_S * CHEAP_BYTES

# With this number of connections, even loads are about 60 %.
CROWD = 744
ARRIVAL_S = 13
AGENT_INTER_MS = 200
ALGORITHM = os.environ.get("ALGORITHM")

SETTINGS = {
    "cpu.shards": 1,
    "ws.ping": "60s",
    "drain.period": "30s",
    "drain.dwell": "1s",
    "load.egress": BUDGET,
    "load.connections": PLANNED,
    # The test simulates hours in a quarter of a minute, so the times are shorter accordingly.
    "load.up": "500ms",
    "load.down": "1s",
    "load.fresh": "1s",
    "load.rise": "50%",
}

UPGRADE = (
    b"GET /raw?topic=work HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def agent_port(index):
    return BASE + 10 * index + 5


class Cluster:
    """The nodes by index. Each node has its own publisher."""

    def __init__(self, options):
        self.options, self.nodes, self.sockets = options, {}, {}
        self.context, self.stack = zmq.Context(), contextlib.ExitStack()

    def start(self, index):
        settings = {**SETTINGS, "agent.listen": f"127.0.0.1:{agent_port(index)}"}
        log = self.options.logs / f"node-{index}.log"
        node = Node(self.options.fanfare, log, BASE + 10 * index, settings)
        self.stack.callback(node.__exit__)
        node.__enter__()
        push = self.context.socket(zmq.PUSH)
        push.setsockopt(zmq.LINGER, 0)
        push.connect(node.pull)
        self.nodes[index], self.sockets[index] = node, push

    def publish(self):
        """Sends one message to each node. The frame size is proportional to the node's cost."""
        for index, push in self.sockets.items():
            frame = CHEAP_BYTES * COSTS[index]
            header = 2 if frame < 128 else 4  # RFC 6455, 5.2
            text = "x" * (frame - header - 2)
            with contextlib.suppress(zmq.Again):
                push.send_multipart([b"work", f'"{text}"'.encode()], zmq.NOBLOCK)

    def count(self, name):
        """Returns a counter of each node by index."""
        return {index: node.stats()["total"][name] for index, node in self.nodes.items()}

    def close(self):
        self.stack.close()
        self.context.destroy(linger=0)


class Balancer:
    """HAProxy with the shipped configuration, except for the addresses and check intervals."""

    def __init__(self, options, front, algorithm, agent):
        text = SHIPPED.read_text()
        name = f"haproxy-{front}-{algorithm}-{agent}"
        self.folder = tempfile.TemporaryDirectory()  # The path of a Unix socket must be short.
        self.admin = pathlib.Path(self.folder.name) / "admin.sock"
        text = re.sub(r"bind :8080", f"bind 127.0.0.1:{front}", text)
        text = re.sub(r"stats socket \S+", f"stats socket {self.admin}", text)
        text = re.sub(r"maxconn \d+", "maxconn 4000", text)
        if os.geteuid():  # Only root may give up its privileges. balancer.py tests that.
            text = re.sub(r"(?m)^    (user|group|chroot) .*\n", "", text)
        text = re.sub(r"agent-inter \S+", f"agent-inter {AGENT_INTER_MS}ms", text)
        text = re.sub(r"check inter 2s", "check inter 500ms", text)
        if algorithm:
            text = re.sub(r"balance \S+", f"balance {algorithm}", text)
        if not agent:
            text = re.sub(r" agent-check .*", "", text)
        text = re.sub(r"\n    server .*", "", text)
        for index in range(4):
            text += f"    server edge{index} 127.0.0.1:{BASE + 10 * index}"
            text += f" agent-port {agent_port(index)}\n" if agent else "\n"
        path = options.logs / f"{name}.cfg"
        path.write_text(text)
        self.address = ("127.0.0.1", front)
        with open(options.logs / f"{name}.log", "ab") as log:
            command = ["haproxy", "-db", "-f", str(path)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def listens(self):
        with contextlib.suppress(OSError):
            socket.create_connection(self.address, 1).close()
            return True
        return False

    def ask(self, command):
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(str(self.admin))
            admin.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: admin.recv(65536), b"")).decode()

    def rows(self):
        """Returns the statistics of each server by name."""
        lines = self.ask("show stat").splitlines()
        names = lines[0].lstrip("# ").split(",")
        rows = (dict(zip(names, line.split(","))) for line in lines[1:] if line)
        return {row["svname"]: row for row in rows if row["svname"].startswith("edge")}

    def servers(self):
        """Returns the status and the weight of each server by name."""
        return {name: (row["status"], int(row["weight"])) for name, row in self.rows().items()}

    def sessions(self):
        """Returns the total number of sessions of each server by name."""
        return {name: int(row["stot"]) for name, row in self.rows().items()}

    def close(self):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


class Client(asyncio.Protocol):
    """A WebSocket client that requests the upgrade and discards what it receives."""

    def __init__(self, crowd):
        self.crowd = crowd

    def connection_made(self, transport):
        self.transport = transport
        transport.write(UPGRADE)

    def data_received(self, data):
        if data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 101 "):
            self.crowd.refused += 1

    def connection_lost(self, error):
        self.crowd.clients.discard(self)


class Crowd:
    """The clients of the load balancers, and the publishers that send to them."""

    def __init__(self, cluster):
        self.cluster, self.clients, self.refused = cluster, set(), 0

    async def __aenter__(self):
        self.publishing = asyncio.create_task(self.publish())
        return self

    async def __aexit__(self, *_):
        self.publishing.cancel()
        for client in list(self.clients):
            client.transport.abort()
        await asyncio.sleep(0.1)

    async def publish(self):
        due = time.monotonic()
        while True:
            self.cluster.publish()
            due += 1 / MESSAGES_PER_S
            await asyncio.sleep(max(0, due - time.monotonic()))

    async def arrive(self, count, seconds, *balancers):
        """Opens `count` connections evenly over `seconds`, to each balancer in turn."""
        loop, began = asyncio.get_running_loop(), time.monotonic()
        for number in range(count):
            await asyncio.sleep(max(0, began + number * seconds / count - time.monotonic()))
            address = balancers[number % len(balancers)].address
            _, client = await loop.create_connection(lambda: Client(self), *address)
            self.clients.add(client)

    async def loads(self, seconds=2):
        """Returns the egress of each node divided by its budget."""
        before = await asyncio.to_thread(self.cluster.count, "written_bytes")
        began = time.monotonic()
        await asyncio.sleep(seconds)
        after = await asyncio.to_thread(self.cluster.count, "written_bytes")
        elapsed_s = time.monotonic() - began
        return [(after[index] - before[index]) / elapsed_s / BUDGET for index in sorted(after)]


def imbalance(loads):
    return max(loads) / (sum(loads) / len(loads))


def figures(loads):
    return " ".join(f"{load:.2f}" for load in loads)


class Site:
    """A cluster, its load balancers and their clients."""

    def __init__(self, options, indices=range(4), algorithms=(None,), agent=True):
        self.options, self.indices, self.algorithms = options, indices, algorithms
        self.agent, self.balancers, self.stack = agent, [], contextlib.AsyncExitStack()

    async def __aenter__(self):
        try:
            return await self.start()
        except BaseException:
            await self.stack.aclose()
            raise

    async def start(self):
        self.cluster = self.stack.enter_context(contextlib.closing(Cluster(self.options)))
        for index in self.indices:
            await asyncio.to_thread(self.cluster.start, index)
        for front, algorithm in zip(FRONTS, self.algorithms):
            balancer = Balancer(self.options, front, algorithm, self.agent)
            self.balancers.append(self.stack.enter_context(contextlib.closing(balancer)))
            await asyncio.to_thread(until, balancer.listens, 5, "HAProxy listens; see its log")
        if self.agent:
            await asyncio.to_thread(until, self.ready, 15, "HAProxy has a weight from every agent")
        self.crowd = await self.stack.enter_async_context(Crowd(self.cluster))
        return self

    async def __aexit__(self, *_):
        await self.stack.aclose()

    def ready(self):
        """Returns whether HAProxy has a weight from every agent and every weight has risen."""
        servers = [server for each in self.balancers for server in each.servers().values()]
        up = [weight >= 80 for status, weight in servers if status.startswith("UP")]
        return len(up) == len(self.indices) * len(self.balancers) and all(up)


async def even(site):
    """The loads are even after all clients have connected."""
    crowd, balancer = site.crowd, site.balancers[0]
    await crowd.arrive(CROWD, ARRIVAL_S, balancer)
    loads = await crowd.loads()
    assert not crowd.refused and len(crowd.clients) == CROWD, "every client has a connection"
    assert imbalance(loads) <= 1.25, figures(loads)
    assert min(loads) > 0.3, figures(loads)
    return f"max over mean {imbalance(loads):.2f}, loads {figures(loads)}"


async def drained(site):
    """After SIGTERM to a node, HAProxy sets it to DRAIN within one interval of the agent."""
    crowd, balancer = site.crowd, site.balancers[0]
    arriving = asyncio.create_task(crowd.arrive(150, 3, balancer))
    await asyncio.sleep(0.5)
    before = balancer.sessions()
    site.cluster.nodes[0].server.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    while not balancer.servers()["edge0"][0].startswith("DRAIN"):
        # One interval plus 4 % for spread-checks would be enough if each process had its own core.
        # Here ten processes share two cores.
        assert time.monotonic() - began < 5 * AGENT_INTER_MS / 1000, balancer.servers()
        await asyncio.sleep(0.005)
    took_ms, at_drain = (time.monotonic() - began) * 1000, balancer.sessions()
    await arriving
    after = balancer.sessions()
    assert before["edge0"] > 0
    assert after["edge0"] == at_drain["edge0"], f"{after['edge0'] - at_drain['edge0']} connections after DRAIN"
    assert sum(after.values()) - sum(at_drain.values()) > 50, "the other nodes receive connections"
    accepted_before = at_drain["edge0"] - before["edge0"]
    return f"DRAIN after {took_ms:.0f} ms, {accepted_before} connections before it and none after it"


async def join(site):
    """A node whose connections cost ten times as much joins three through two balancers."""
    crowd, cluster = site.crowd, site.cluster
    await crowd.arrive(450, 5, *site.balancers)
    await asyncio.sleep(1)
    arriving = asyncio.create_task(crowd.arrive(280, 7, *site.balancers))
    await asyncio.to_thread(cluster.start, 3)
    before, began = sum(cluster.count("upgraded").values()), time.monotonic()
    most, early, ratio = 0, None, 0
    while not arriving.done():
        await asyncio.sleep(0.2)
        counts = await asyncio.to_thread(cluster.count, "upgraded")
        if early is None and time.monotonic() - began > 3:
            early = counts[3] / (sum(counts.values()) - before)
        loads = [counts[index] * COSTS[index] / PLANNED for index in range(4)]
        ratio = loads[3] * 4 / sum(loads)
        most = max(most, ratio)
    assert not crowd.refused
    assert early < 0.5, f"the joining node received {early:.0%} of the new connections in its first 3 s"
    assert most <= 1.25, f"the load of the joining node was {most:.2f} times the mean"
    assert ratio > 0.5, f"the load of the joining node ended at {ratio:.2f} times the mean"
    return f"{early:.0%} of the new connections in the first 3 s, load at most {most:.2f} times the mean"


async def without(options, algorithm):
    """The same clients without agents. No weights change, so the clients may connect quickly."""
    async with Site(options, algorithms=(algorithm,), agent=False) as site:
        await site.crowd.arrive(CROWD, 3, site.balancers[0])
        loads = await site.crowd.loads(1.4)
    return f"max over mean {imbalance(loads):.2f}, loads {figures(loads)}"


async def run(options, report):
    async def check(what, function, *given):
        outcome = await asyncio.gather(function(*given), return_exceptions=True)
        report.check(what, raised, outcome[0])

    async with Site(options, algorithms=(ALGORITHM,)) as site:
        await check("loads are even on four nodes with costs 1:1:1:10", even, site)
        await check("a draining node receives no new connections", drained, site)
    for algorithm in ("leastconn", "roundrobin"):
        await check(f"for comparison, {algorithm} without agents", without, options, algorithm)
    async with Site(options, range(3), (ALGORITHM, ALGORITHM)) as site:
        await check("two load balancers do not overload a joining node", join, site)


def raised(outcome):
    """Returns the result of a coroutine, or raises its exception."""
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def accepted():
    """HAProxy accepts the shipped configuration without warnings."""
    checked = subprocess.run(["haproxy", "-c", "-f", SHIPPED], capture_output=True, text=True)
    output = checked.stdout + checked.stderr
    assert checked.returncode == 0 and "WARNING" not in output, output


def main():
    options, report = arguments("agent"), Report("agent")
    # Debian installs HAProxy in a directory that is not in every user's PATH.
    os.environ["PATH"] += ":/usr/sbin"
    if not shutil.which("haproxy"):
        return report.skip("haproxy is not installed")
    report.check("HAProxy accepts the shipped configuration", accepted)
    asyncio.run(run(options, report))
    return report.failed > 0


if __name__ == "__main__":
    sys.exit(main())
