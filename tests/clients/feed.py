"""Publishes for the deflate check: in bursts, answered by the server, never more than clients take."""

import re
import time
import urllib.request

import zmq

PENDING_BYTES = 64 << 20  # of all connections; below, the next burst goes out
BURST_BYTES = 4 << 20
BURSTS = (1, 2, 5, 20, 100)  # publications to one topic at once
ANSWER_TIMEOUT_MS = 15_000


class Metrics:
    """The admin port's figures."""

    def __init__(self, url):
        self.url = url

    def sum(self, name):
        """The sum over the samples whose name and labels begin with `name`; 0 without any."""
        with urllib.request.urlopen(self.url) as answer:
            text = answer.read().decode()
        samples = re.findall(rf"^{re.escape(name)}.*? ([0-9.e+-]+)$", text, re.MULTILINE)
        return sum(map(float, samples))


class Feed:
    """A DEALER: publications in order on one socket, and a reply to each."""

    def __init__(self, router, metrics, deadline):
        self.metrics, self.deadline = metrics, deadline
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.rcvtimeo = self.socket.sndtimeo = ANSWER_TIMEOUT_MS
        self.socket.linger = 0
        self.socket.connect(router)

    def close(self):
        self.socket.close()

    def burst(self, topic, payloads):
        """Sends all, then awaits what the server says of each."""
        self.room()
        for payload in payloads:
            self.socket.send_multipart([b"", topic.encode(), payload])
        for _ in payloads:
            answer = self.socket.recv_multipart()
            if answer != [b"", b"ok"]:
                raise RuntimeError(f"the server answers {answer}")

    def room(self):
        while self.metrics.sum("fanfare_pending_bytes") > PENDING_BYTES:
            if time.monotonic() > self.deadline:
                raise TimeoutError("clients do not take what is published")
            time.sleep(0.01)

    def all(self, rng, topics):
        """Publishes the lists of payloads under `topics`, in turns of bursts, in order in each."""
        left = {topic: list(reversed(payloads)) for topic, payloads in topics.items()}
        while left:
            topic = rng.choice(list(left))
            count, payloads = rng.choice(BURSTS), []
            while left[topic] and len(payloads) < count and sum(map(len, payloads)) < BURST_BYTES:
                payloads.append(left[topic].pop())
            self.burst(topic, payloads)
            if not left[topic]:
                del left[topic]
