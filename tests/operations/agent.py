"""The feedback agent with the real HAProxy: loads even out whatever a connection costs, a draining
node gets nothing new, and a node that joins is not stampeded.

Four nodes whose connections cost 1, 1, 1 and 10: the same count of messages a second, ten times as
long. Each node's egress budget is what 400 of the cheap ones take, so that this part of the load
dominates and does not depend on the host. What is compared are bytes written, as the nodes count.

ALGORITHM=leastconn, say, tries another one with the agent than the shipped configuration has.
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

# So many in all that even loads are of some 60 %.
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
    # A quarter of a minute stands for hours, so everything is as much faster.
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
    """The nodes, by index, each with a publisher of its own."""

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
        """One message to each node, of a frame as long as the node's connections are dear."""
        for index, push in self.sockets.items():
            frame = CHEAP_BYTES * COSTS[index]
            header = 2 if frame < 128 else 4  # RFC 6455, 5.2
            text = "x" * (frame - header - 2)
            with contextlib.suppress(zmq.Again):
                push.send_multipart([b"work", f'"{text}"'.encode()], zmq.NOBLOCK)

    def count(self, name):
        """A counter of each node by index."""
        return {index: node.stats()["total"][name] for index, node in self.nodes.items()}

    def close(self):
        self.stack.close()
        self.context.destroy(linger=0)


class Balancer:
    """HAProxy with the shipped configuration, except for addresses and how often it asks."""

    def __init__(self, options, front, algorithm, agent):
        text = SHIPPED.read_text()
        name = f"haproxy-{front}-{algorithm}-{agent}"
        self.folder = tempfile.TemporaryDirectory()  # The path of a socket has to be short.
        self.admin = pathlib.Path(self.folder.name) / "admin.sock"
        text = re.sub(r"bind :8080", f"bind 127.0.0.1:{front}", text)
        text = re.sub(r"stats socket \S+", f"stats socket {self.admin}", text)
        text = re.sub(r"maxconn \d+", "maxconn 4000", text)
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
        """What HAProxy says of each server by name."""
        lines = self.ask("show stat").splitlines()
        names = lines[0].lstrip("# ").split(",")
        rows = (dict(zip(names, line.split(","))) for line in lines[1:] if line)
        return {row["svname"]: row for row in rows if row["svname"].startswith("edge")}

    def servers(self):
        """Status and weight of each server by name."""
        return {name: (row["status"], int(row["weight"])) for name, row in self.rows().items()}

    def sessions(self):
        """How many each server got, by name."""
        return {name: int(row["stot"]) for name, row in self.rows().items()}

    def close(self):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


class Client(asyncio.Protocol):
    """A WebSocket that asks for its upgrade and throws away what comes."""

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
    """Clients of a balancer, and the publishers that keep them busy."""

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
        """So many evenly over this time, to each balancer in turn."""
        loop, began = asyncio.get_running_loop(), time.monotonic()
        for number in range(count):
            await asyncio.sleep(max(0, began + number * seconds / count - time.monotonic()))
            address = balancers[number % len(balancers)].address
            _, client = await loop.create_connection(lambda: Client(self), *address)
            self.clients.add(client)

    async def loads(self, seconds=2):
        """Each node's egress in budgets."""
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
    """A cluster, its balancers and their crowd."""

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
            await asyncio.to_thread(until, self.ready, 15, "every agent is heard")
        self.crowd = await self.stack.enter_async_context(Crowd(self.cluster))
        return self

    async def __aexit__(self, *_):
        await self.stack.aclose()

    def ready(self):
        """Every agent has been heard, and every weight has risen."""
        servers = [server for each in self.balancers for server in each.servers().values()]
        up = [weight >= 80 for status, weight in servers if status.startswith("UP")]
        return len(up) == len(self.indices) * len(self.balancers) and all(up)


async def even(site):
    """Loads are even when a crowd has come. Then a node drains, and gets nothing new."""
    crowd, balancer = site.crowd, site.balancers[0]
    await crowd.arrive(CROWD, ARRIVAL_S, balancer)
    loads = await crowd.loads()
    assert not crowd.refused and len(crowd.clients) == CROWD, "everybody has a connection"
    assert imbalance(loads) <= 1.25, figures(loads)
    assert min(loads) > 0.3, figures(loads)
    return f"max over mean {imbalance(loads):.2f}, loads {figures(loads)}"


async def drained(site):
    """SIGTERM to a node: the balancer learns within one interval of the agent."""
    crowd, balancer = site.crowd, site.balancers[0]
    arriving = asyncio.create_task(crowd.arrive(150, 3, balancer))
    await asyncio.sleep(0.5)
    before = balancer.sessions()
    site.cluster.nodes[0].server.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    while not balancer.servers()["edge0"][0].startswith("DRAIN"):
        # One interval and 4 % for spread-checks, when all have a core; here ten processes share two.
        assert time.monotonic() - began < 5 * AGENT_INTER_MS / 1000, balancer.servers()
        await asyncio.sleep(0.005)
    took_ms, told = (time.monotonic() - began) * 1000, balancer.sessions()
    await arriving
    after = balancer.sessions()
    assert before["edge0"] > 0
    assert after["edge0"] == told["edge0"], f"{after['edge0'] - told['edge0']} came after that"
    assert sum(after.values()) - sum(told.values()) > 50, "the others got theirs"
    came = told["edge0"] - before["edge0"]
    return f"HAProxy knew after {took_ms:.0f} ms, {came} came before that and none later"


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
    assert early < 0.5, f"it got {early:.0%} of the newcomers in its first 3 s"
    assert most <= 1.25, f"its load was {most:.2f} of the mean"
    assert ratio > 0.5, f"it ended at {ratio:.2f} of the mean"
    return f"{early:.0%} of the newcomers in its first 3 s, load at most {most:.2f} of the mean"


async def without(options, algorithm):
    """The same crowd and no agent. Nothing is to be learnt, so it may come quickly."""
    async with Site(options, algorithms=(algorithm,), agent=False) as site:
        await site.crowd.arrive(CROWD, 3, site.balancers[0])
        loads = await site.crowd.loads(1.4)
    return f"max over mean {imbalance(loads):.2f}, loads {figures(loads)}"


async def run(options, report):
    async def check(what, function, *given):
        outcome = await asyncio.gather(function(*given), return_exceptions=True)
        report.check(what, raised, outcome[0])

    async with Site(options, algorithms=(ALGORITHM,)) as site:
        await check("four nodes, work 1:1:1:10, loads are even", even, site)
        await check("a draining node gets nothing new", drained, site)
    for algorithm in ("leastconn", "roundrobin"):
        await check(f"for comparison, {algorithm} without the agent", without, options, algorithm)
    async with Site(options, range(3), (ALGORITHM, ALGORITHM)) as site:
        await check("two balancers do not stampede a node that joins", join, site)


def raised(outcome):
    """What a coroutine returned, or raises what it raised."""
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def accepted():
    """The shipped file, by HAProxy itself."""
    checked = subprocess.run(["haproxy", "-c", "-f", SHIPPED], capture_output=True, text=True)
    output = checked.stdout + checked.stderr
    assert checked.returncode == 0 and "WARNING" not in output, output


def main():
    options, report = arguments("agent"), Report("agent")
    # Debian keeps it where not everybody's PATH looks.
    os.environ["PATH"] += ":/usr/sbin"
    if not shutil.which("haproxy"):
        return report.skip("no haproxy")
    report.check("HAProxy takes the shipped configuration", accepted)
    asyncio.run(run(options, report))
    return report.failed > 0


if __name__ == "__main__":
    sys.exit(main())
