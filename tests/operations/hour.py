"""Simulates an hour of operation within seconds: the node gets the load of an hour, and each scrape
gets the timestamp that it would have had in that hour."""

import re
import time

import zmq
from load import Readers
from node import until
from prometheus import promtool

SCRAPE_S, SCRAPES = 15, 240
# Ten publications per second. Every five minutes, four readers are replaced.
PUBLICATIONS = 10 * SCRAPE_S
READERS, CHURN, CHURN_EVERY = 40, 4, 20
LABELS = 'job="fanfare",instance="hour"'


class Hour:
    """Runs the load on a node and writes the scrapes to `path` as OpenMetrics text."""

    def __init__(self, node, path):
        self.node, self.path = node, path
        self.start = time.time() // SCRAPE_S * SCRAPE_S - 2 * 3600
        self.end = self.start + (SCRAPES - 1) * SCRAPE_S
        self.sent = self.deliveries = 0

    def run(self):
        push = zmq.Context.instance().socket(zmq.PUSH)
        push.connect(self.node.pull)
        with open(self.path, "w") as file, Readers(self.node.ws, ["prices"], READERS):
            for first in range(0, SCRAPES, CHURN_EVERY):
                # Connections that are still being closed would be matched too.
                self.wait_for("fanfare_connections", READERS)
                with Readers(self.node.ws, ["prices"], CHURN):
                    for number in range(first, first + CHURN_EVERY):
                        self.publish(push)
                        self.write(file, self.start + number * SCRAPE_S)
            file.write("# EOF\n")
        push.close()
        return self

    def publish(self, push):
        for _ in range(PUBLICATIONS):
            self.sent += 1
            meta = b'{"id":"pricing","seq":%d}' % self.sent
            push.send_multipart([b"prices", b'{"price":%d}' % self.sent, meta])
        self.deliveries += PUBLICATIONS * (READERS + CHURN)
        self.wait_for("fanfare_matched_total", self.deliveries)

    def wait_for(self, name, value):
        until(lambda: self.node.sum(name) == value, 10, f"{name} {value}")

    def write(self, file, at_s):
        """Writes every current sample with its labels and a timestamp."""
        for sample, value in self.node.metrics().items():
            name, own = re.fullmatch(r"(\w+)(?:\{(.*)\})?", sample).groups()
            labels = ",".join(part for part in (LABELS, own) if part)
            file.write(f"{name}{{{labels}}} {value} {at_s:.0f}\n")
        file.write(f"up{{{LABELS}}} 1 {at_s:.0f}\n")

    def blocks(self, tools, to):
        """Converts the scrapes into a data directory of Prometheus."""
        promtool(tools, "tsdb", "create-blocks-from", "openmetrics", self.path, to)
