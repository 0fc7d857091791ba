"""Publishes for the deflate check: in bursts, answered by the server, never more than clients take."""

import re
import time
import urllib.request

import zmq

PENDING_BYTES = 64 << 20  # of all connections; below, the next burst goes out
BURST_BYTES = 4 << 20
BURSTS = (1, 2, 5, 20, 100)  # publications to one topic at once
TIMEOUT_S = 20  # without room for the next burst, or an answer


class Metrics:
    """The admin port's figures."""

    def __init__(self, url):
        self.url = url

    def read(self):
        """Pairs of a sample's name with labels, and its value."""
        with urllib.request.urlopen(self.url) as answer:
            text = answer.read().decode()
        return re.findall(r"^([^#\s]+) ([0-9.e+-]+)$", text, re.MULTILINE)

    def sum(self, name, label=""):
        """The sum over the samples of this name that carry `label`; 0 without any."""
        carries = lambda sample: sample.split("{")[0] == name and label in sample
        return int(sum(float(value) for sample, value in self.read() if carries(sample)))


class Feed:
    """A DEALER: publications in order on one socket, and a reply to each."""

    def __init__(self, router, metrics, deadline):
        self.metrics, self.deadline = metrics, deadline
        self.matched = metrics.sum("fanfare_matched_total")
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.rcvtimeo = self.socket.sndtimeo = TIMEOUT_S * 1000
        self.socket.linger = 0
        self.socket.connect(router)

    def close(self):
        self.socket.close()

    def burst(self, topic, payloads, audience):
        """Sends all, then awaits what the server says of each; `audience` clients get them."""
        self.room()
        for payload in payloads:
            self.socket.send_multipart([b"", topic.encode(), payload])
        for _ in payloads:
            answer = self.socket.recv_multipart()
            if answer != [b"", b"ok"]:
                raise RuntimeError(f"the server answers {answer}")
        self.matched += len(payloads) * audience

    def room(self):
        """Until all that was published is in outboxes, and clients took most of it."""
        deadline = min(self.deadline, time.monotonic() + TIMEOUT_S)
        while (
            self.metrics.sum("fanfare_matched_total") < self.matched
            or self.metrics.sum("fanfare_pending_bytes") > PENDING_BYTES
        ):
            if time.monotonic() > deadline:
                raise TimeoutError("clients do not take what is published in time")
            time.sleep(0.005)

    def all(self, rng, topics, audience):
        """Publishes the lists of payloads under `topics`, in turns of bursts, in order in each."""
        left = {topic: list(reversed(payloads)) for topic, payloads in topics.items()}
        while left:
            topic = rng.choice(list(left))
            count, payloads = rng.choice(BURSTS), []
            while left[topic] and len(payloads) < count and sum(map(len, payloads)) < BURST_BYTES:
                payloads.append(left[topic].pop())
            self.burst(topic, payloads, audience)
            if not left[topic]:
                del left[topic]
