"""A thousand reloads with changing files under load: the last file is in force everywhere."""

import os
import signal
import socket
import time

import zmq
from bounds import OTHER_FLOOR_MS, RELOADING_S, RELOADS, TAKEN_S
from honest import UPGRADE
from publishers import HostilePublisher
from session import CORES, Session, judge

SHARDS = 2
# The values of the last file. Those of the other files are smaller.
TOPICS, PAYLOAD_KIB = 100, 900
# With so many connections, each shard has one of them, except once in 2^31 runs. A shard that shows
# the last file cannot go back, because no other file follows.
CONNECTIONS = 32
REPLY_S = 5


def write(path, topics, payload_kib):
    """Replaces the file as a whole, so that no reload reads a part of it."""
    new = path.with_suffix(".new")
    new.write_text(f'[ws]\nmax_topics = {topics}\n\n[ingest]\nmax_payload = "{payload_kib}KiB"\n')
    new.replace(path)


def accepted(address, topics):
    """Returns whether a new connection may subscribe to so many topics."""
    host, port = address.split(":")
    target = "/raw?" + "&".join(f"topic={number}" for number in range(topics))
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(UPGRADE.format(target=target, host=address).encode())
        return client.recv(4096).startswith(b"HTTP/1.1 101 ")


def published(endpoint, payload_kib):
    """Returns whether a payload of this size is accepted, or None without a reply."""
    with zmq.Context.instance().socket(zmq.REQ) as request:
        request.linger, request.rcvtimeo = 0, REPLY_S * 1000
        request.connect(endpoint)
        request.send_multipart([b"reloaded", b'"' + b"x" * (payload_kib * 1024 - 2) + b'"'])
        try:
            return request.recv_multipart()[0] == b"ok"
        except zmq.Again:
            return None


def differing(node):
    """Returns the threads that do not show the effect of the last file."""
    found = []
    pairs = [(accepted(node.ws, TOPICS), accepted(node.ws, TOPICS + 1)) for _ in range(CONNECTIONS)]
    others = len(pairs) - pairs.count((True, False))
    if others:
        found.append(f"shards, seen by {others} of {CONNECTIONS} connections")
    if (published(node.router, PAYLOAD_KIB), published(node.router, PAYLOAD_KIB + 1)) != (True, False):
        found.append("ingest")
    config = node.stats().get("config", {"version": "missing in /stats", "applied": {}})
    old = {name: version for name, version in config["applied"].items() if version != config["version"]}
    if old or not config["applied"]:
        found.append(f"/stats (version {config['version']}, other versions {old})")
    return found


def reload(given):
    path = given.logs / "reload.toml"
    write(path, 64, 512)
    with Session(given, "reload", config=path, shards=SHARDS, cores=CORES) as session:
        session.measure_before()
        session.begin()
        # The ingest thread is busy with these payloads, and takes a configuration between two turns.
        with HostilePublisher(session.node.pull, "load of reloads"):
            for number in range(RELOADS):
                values = 32 + number % 60, 256 + number % 500
                write(path, *(values if number < RELOADS - 1 else (TOPICS, PAYLOAD_KIB)))
                os.kill(session.node.pid, signal.SIGHUP)
                # The last files change faster than a thread can take them.
                time.sleep(RELOADING_S / RELOADS if number < RELOADS - 20 else 0)
            start = time.monotonic()
            while (without := differing(session.node)) and time.monotonic() < start + TAKEN_S:
                time.sleep(0.2)
            took_s = time.monotonic() - start
        found = [f"without the last file after {TAKEN_S} s: {', '.join(without)}"] if without else []
        figures = session.settle()
    note = f"{RELOADS} reloads, the last examined for {took_s:.1f} s"
    return judge(figures, session.before, note, floor_ms=OTHER_FLOOR_MS, found=found)


def main(given, report):
    report.check("reloads", reload, given)
