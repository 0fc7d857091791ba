"""Publishes for the deflate check in bursts, and waits for the replies and for slow clients."""

import re
import time
import urllib.request

import zmq

PENDING_BYTES = 64 << 20  # The next burst is sent when fewer bytes are pending in all connections.
BURST_BYTES = 4 << 20
BURSTS = (1, 2, 5, 20, 100)  # sizes of bursts, in publications to one topic
TIMEOUT_S = 20  # for a reply, and for clients to read pending bytes


class Metrics:
    """The metrics of the admin port."""

    def __init__(self, url):
        self.url = url

    def read(self):
        """Returns pairs of sample name with labels, and value."""
        with urllib.request.urlopen(self.url) as answer:
            text = answer.read().decode()
        return re.findall(r"^([^#\s]+) ([0-9.e+-]+)$", text, re.MULTILINE)

    def sum(self, name, label=""):
        """Returns the sum of the samples with this name and label, or 0 if there are none."""
        carries = lambda sample: sample.split("{")[0] == name and label in sample
        return int(sum(float(value) for sample, value in self.read() if carries(sample)))


class Feed:
    """A DEALER socket that publishes in order and receives a reply for each publication."""

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
        """Sends all payloads and waits for the replies. `audience` is the number of subscribers."""
        self.room()
        for payload in payloads:
            self.socket.send_multipart([b"", topic.encode(), payload])
        for _ in payloads:
            answer = self.socket.recv_multipart()
            if answer != [b"", b"ok"]:
                raise RuntimeError(f"the server answers {answer}")
        self.matched += len(payloads) * audience

    def room(self):
        """Waits until all publications are in outboxes and clients have read most of them."""
        deadline = min(self.deadline, time.monotonic() + TIMEOUT_S)
        while (
            self.metrics.sum("fanfare_matched_total") < self.matched
            or self.metrics.sum("fanfare_pending_bytes") > PENDING_BYTES
        ):
            if time.monotonic() > deadline:
                raise TimeoutError("clients do not read the publications in time")
            time.sleep(0.005)

    def all(self, rng, topics, audience):
        """Publishes the payloads of each topic in order, in bursts to randomly chosen topics."""
        left = {topic: list(reversed(payloads)) for topic, payloads in topics.items()}
        while left:
            topic = rng.choice(list(left))
            count, payloads = rng.choice(BURSTS), []
            while left[topic] and len(payloads) < count and sum(map(len, payloads)) < BURST_BYTES:
                payloads.append(left[topic].pop())
            self.burst(topic, payloads, audience)
            if not left[topic]:
                del left[topic]
