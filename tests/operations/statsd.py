"""With real statsd, carbon and graphite-web, Graphite shows exact counters and correct quantiles."""

import shutil
import sys

from audience import Audience, Sender
from graphite import Graphite
from node import Node, Report, arguments, until

PORTS, GRAPHITE_PORTS = 18160, 18170
SUBSCRIBERS, BATCHES, BATCH = 40, 10, 50
# Slow readers of large messages cause the slowest 2 % of all deliveries.
SLOW_SUBSCRIBERS, REPORTS, REPORT = 10, 40, b'"' + 100_000 * b"x" + b'"'
PUBLICATIONS = BATCHES * BATCH + REPORTS
DELIVERIES = SUBSCRIBERS * BATCHES * BATCH + SLOW_SUBSCRIBERS * REPORTS
# The relative width of a bucket in the histograms of the node.
BUCKET = 1 / 64
QUANTILES = {"upper_50": "p50", "upper_99": "p99", "upper_99_9": "p999", "upper": "max"}
COUNTERS = {
    "received.pull": PUBLICATIONS + 1,
    "publications": PUBLICATIONS,
    "rejected.payload_not_json": 1,
    "matched": DELIVERIES,
    "written": DELIVERIES,
    "upgraded": SUBSCRIBERS + SLOW_SUBSCRIBERS,
    "dropped.slow": 0,
}


def run(node):
    """Runs load over several flushes and a drain. Returns the statistics of the node."""
    with Audience(node, ["prices"] * SUBSCRIBERS) as audience, Sender(node) as publisher:
        for batch in range(1, BATCHES + 1):
            for _ in range(BATCH):
                publisher.send("prices")
            audience.await_received(batch * BATCH * SUBSCRIBERS)
        with Audience(node, ["reports"] * SLOW_SUBSCRIBERS, pause_s=0.005) as slow:
            for _ in range(REPORTS):
                publisher.send("reports", REPORT)
            slow.await_received(SLOW_SUBSCRIBERS * REPORTS)
        publisher.send("prices", b"no JSON")
    stats = settled_stats(node)
    status = node.server.drain()
    if status != 0:
        raise RuntimeError(f"the node ended with {status}")
    return stats


def settled_stats(node):
    def settled():
        stats = node.stats()
        rejected = stats["ingest"]["rejected"]["payload_not_json"]
        total = stats["total"]
        return stats if rejected and not total["pending"] and not total["connections"] else None

    return until(settled, 10, "nothing pending, no connections")


def counters(graphite, prefix, stats):
    for name, wanted in COUNTERS.items():
        found = graphite.total(f"{prefix}.{name}")
        if found != wanted:
            raise RuntimeError(f"{name}: {found} in graphite, {wanted} sent")
    for name in ("written_bytes", "turns", "sends"):
        found, own = graphite.total(f"{prefix}.{name}"), stats["total"][name]
        if found < own:
            raise RuntimeError(f"{name}: {found} in graphite, {own} in /stats")
    return f"{len(COUNTERS)} counters, {DELIVERIES} deliveries"


def timer(graphite, prefix, statistic):
    name = f"stats.timers.{prefix}.delivery.{statistic}"
    return graphite.points(name).get(name, [])


def tail(graphite, prefix, stats):
    """The node sent all values when it ended, so one flush contains the whole run."""
    count = timer(graphite, prefix, "count")
    if len(count) != 1 or round(count[0], 6) != DELIVERIES:
        raise RuntimeError(f"count {count}, expected one value of {DELIVERIES}")
    notes = []
    for statistic, own in QUANTILES.items():
        found_us = timer(graphite, prefix, statistic)[0] * 1000
        own_us = stats["total"]["delivery_us"][own]
        if abs(found_us - own_us) > max(1, own_us * BUCKET):
            raise RuntimeError(f"{own}: {found_us} us in graphite, {own_us} us in /stats")
        notes.append(f"{own} {found_us:.0f} and {own_us} us")
    return ", ".join(notes)


def gauges(graphite, prefix):
    wanted = {"connections": 0, "pending": 0}
    for name, value in wanted.items():
        path = f"stats.gauges.{prefix}.{name}"
        found = graphite.points(path).get(path)
        if not found or found[-1] != value:
            raise RuntimeError(f"{path}: {found}, expected {value} as the last value")


def readable(graphite):
    if graphite.bad_lines():
        raise RuntimeError(f"statsd could not parse {graphite.bad_lines()} lines")


def main():
    given, report = arguments("statsd"), Report("statsd")
    needed = [given.tools / "statsd/node_modules", given.tools / "graphite/bin/carbon-cache.py"]
    if missing := [str(path) for path in needed if not path.exists()]:
        report.skip(f"not installed: {', '.join(missing)}")
        return 0
    root = given.logs / "graphite"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    with Graphite(given.tools, root, GRAPHITE_PORTS) as graphite:
        stats = {}
        for prefix, interval in [("often", "1s"), ("once", "1h")]:
            settings = {"statsd.address": graphite.statsd, "statsd.interval": interval}
            settings |= {"statsd.prefix": prefix, "drain.period": "100ms"}
            settings["ws.outbox"] = "16MiB"
            with Node(given.fanfare, given.logs / f"{prefix}.log", PORTS, settings) as node:
                stats[prefix] = run(node)
        graphite.settle()
        report.check("counters are exact over many flushes", counters, graphite, "often", stats["often"])
        report.check("counters are exact in one flush", counters, graphite, "once", stats["once"])
        report.check("quantiles differ from /stats by at most one bucket", tail, graphite, "once", stats["once"])
        report.check("gauges have their last values", gauges, graphite, "often")
        report.check("statsd can parse every line", readable, graphite)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
