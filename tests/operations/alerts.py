"""Alerts and dashboard with a real Prometheus: every query runs against live scrapes, a loss at each
stage triggers its alert, and an hour of normal operation triggers none."""

import contextlib
import datetime
import itertools
import pathlib
import re
import shutil
import sys
import time

from audience import Audience, Sender
from hour import Hour
from load import Publisher, Readers
from node import Node, Report, arguments, lossy, until
from prometheus import DASHBOARD, RULES, Prometheus, dashboard_queries, names, panels, program, promtool

CLEAN, HOUR, LOSSY, PROMETHEUS, ARCHIVE, LOOPING = 18160, 18165, 18170, 18210, 18211, 18460
STAGES = ["check", "route", "lane", "deliver"]
# A loss of one percent. The messages are a millisecond apart, so each is a separate batch.
EVERY, RATE = 100, 800
# Tolerance for the measured time of the first loss and for late timers on a busy machine.
SLACK_S = 1.0
RUNBOOK = pathlib.Path(__file__).parents[2] / "docs/OPERATIONS.md"


def rules(tools):
    promtool(tools, "check", "config", RULES / "prometheus.yml")
    promtool(tools, "test", "rules", RULES / "alerts_test.yml")


def layout():
    """The dashboard has what an import into Grafana needs, and its panels do not overlap."""
    taken, seen = set(), set()
    for panel in panels():
        place = panel["gridPos"]
        across, down = (range(place[at], place[at] + place[size]) for at, size in ("xw", "yh"))
        cells = set(itertools.product(across, down))
        if cells & taken or max(across) > 23 or panel["id"] in seen:
            raise RuntimeError(f"{panel['title']}: the position or the id is not unique")
        taken |= cells
        seen.add(panel["id"])
        if panel["datasource"]["uid"] != "${datasource}" or not panel["description"]:
            raise RuntimeError(f"{panel['title']}: the data source is not a variable, or the description is missing")
        if any("$instance" not in target["expr"] for target in panel["targets"]):
            raise RuntimeError(f"{panel['title']}: a query does not select by $instance")
    return f"{len(seen)} panels"


def named(alerts):
    """Every rule has a summary, a severity, a description and a link to the runbook."""
    for alert in alerts:
        wanted = f"docs/OPERATIONS.md#alert-{alert['name'].lower()}"
        if alert["annotations"]["runbook"] != wanted:
            raise RuntimeError(f"{alert['name']}: its runbook is not {wanted}")
        if not {"summary", "description"} <= alert["annotations"].keys() or not alert["labels"]["severity"]:
            raise RuntimeError(f"{alert['name']}: no summary, description or severity")
    return f"{len(alerts)} alerts"


def runbook(alerts):
    """Every alert has a section in the runbook."""
    text = RUNBOOK.read_text()
    headings = {re.sub(r"[^a-z0-9 _-]", "", line.lstrip("# ").lower()).replace(" ", "-")
                for line in text.splitlines() if line.startswith("#")}
    for alert in alerts:
        anchor = alert["annotations"]["runbook"].partition("#")[2]
        if anchor not in headings:
            raise RuntimeError(f"{RUNBOOK.name} has no heading for #{anchor}")


def known(node, queries):
    """Every metric in the queries exists in the scrape."""
    existing = {sample.split("{")[0] for sample in node.metrics()}
    wanted = set().union(*map(names, queries))
    if missing := wanted - existing:
        raise RuntimeError(f"not in the scrape: {', '.join(sorted(missing))}")
    return f"{len(wanted)} metrics"


def answered(prometheus, queries):
    """Every query of the dashboard returns data."""
    empty = [f"{title}: {query}" for title, query in queries if not prometheus.query(query)]
    if empty:
        raise RuntimeError("; ".join(empty))
    return f"{len(queries)} queries"


def quiet(prometheus, node):
    """No alert is active for a healthy node under load."""
    own = node.admin.removeprefix("http://")
    active = [alert["labels"] for alert in prometheus.active() if alert["labels"]["instance"] == own]
    if active:
        raise RuntimeError(f"{active}")


def difference(node, stage):
    return node.metrics()[f'fanfare_stage_difference{{stage="{stage}"}}']


def fires(prometheus, node, stage):
    """Measures the time from the last reading without a loss to the evaluation that fired."""
    own = node.admin.removeprefix("http://")
    with Publisher(node.pull, ["prices"], RATE):
        before = time.time()
        while not difference(node, stage):
            before = time.time()
            time.sleep(0.02)

        def firing():
            for alert in prometheus.active():
                labels = alert["labels"]
                if labels["instance"] == own and alert["state"] == "firing":
                    return alert

        alert = until(firing, 10, f"an alert for {stage}")
    labels = alert["labels"]
    if (labels["alertname"], labels["stage"]) != ("FanfareStageLoss", stage):
        raise RuntimeError(f"{labels}")
    fired = datetime.datetime.fromisoformat(alert["activeAt"][:19] + "+00:00").timestamp()
    fired += float(re.search(r"\.\d+", alert["activeAt"] + ".0")[0])
    took_s = fired - before
    if took_s > 2 * prometheus.interval_s + SLACK_S:
        raise RuntimeError(f"it took {took_s:.2f} s at a scrape interval of {prometheus.interval_s} s")
    return f"{took_s:.2f} s after the first loss, scraped every {prometheus.interval_s} s"


def restarts(prometheus, node):
    """Ends and starts a node three times."""
    own = node.admin.removeprefix("http://")
    start_time = f'process_start_time_seconds{{instance="{own}"}}'
    for _ in range(3):
        before = prometheus.query(start_time)
        node.server.kill()
        node.server.start()
        until(lambda: prometheus.query(start_time) not in ([], before), 10, "a scrape after the restart")

    def firing():
        active = [alert for alert in prometheus.active() if alert["labels"]["instance"] == own]
        names = {alert["labels"]["alertname"] for alert in active if alert["state"] == "firing"}
        return "FanfareRestarting" in names and names

    return ", ".join(sorted(until(firing, 10, "FanfareRestarting fires")))


def hour(tools, logs, binary, alerts):
    """Runs the load of an hour. The expression of every alert stays empty."""
    root = logs / "hour"
    root.mkdir()
    with Node(binary, logs / "hour.log", HOUR) as node:
        run = Hour(node, root / "scrapes.txt").run()
    run.blocks(tools, root / "data")
    with Prometheus(tools, root, ARCHIVE) as archive:
        stored = archive.query("sum(fanfare_matched_total)", time=run.end)
        if [value for _, value in stored] != [run.deliveries]:
            raise RuntimeError(f"{stored} stored, {run.deliveries} delivered")
        for alert in alerts:
            if found := archive.range(alert["query"], run.start, run.end, 15):
                raise RuntimeError(f"{alert['name']} is active: {found}")
    return f"{run.sent} publications, {run.deliveries} deliveries, {(run.end - run.start) / 60:.0f} minutes"


def live(report, given):
    """Runs the checks against live nodes. Returns the rules as Prometheus parsed them."""
    binary, logs, losing = given.fanfare, given.logs, lossy(given.tools)
    payload = b'{"prices":[%s]}' % b",".join(b"100" for _ in range(200))
    with contextlib.ExitStack() as stack:
        clean = stack.enter_context(Node(binary, logs / "clean.log", CLEAN))
        broken = {}
        for index, stage in enumerate(STAGES if losing else []):
            variables = {"FANFARE_LOSE": f"{stage}:{EVERY}"}
            node = Node(losing, logs / f"{stage}.log", LOSSY + 10 * index, None, variables)
            broken[stage] = stack.enter_context(node)
            stack.enter_context(Readers(node.ws, ["prices"], 2))
        stack.enter_context(Audience(clean, ["prices"] * 10, compression="deflate"))
        stack.enter_context(Publisher(clean.pull, ["prices"], 100, payload))
        sender = stack.enter_context(Sender(clean))
        looping = stack.enter_context(Node(binary, logs / "looping.log", LOOPING))
        nodes = [clean, looping, *broken.values()]
        prometheus = stack.enter_context(Prometheus(given.tools, logs / "live", PROMETHEUS, nodes))
        up = "count(up == 1)"
        until(lambda: prometheus.query(up) == [({}, len(nodes))], 10, "every node is scraped")
        for stage, node in broken.items():
            report.check(f"a loss at {stage} triggers its alert", fires, prometheus, node, stage)
        report.check("a restart loop triggers its alert", restarts, prometheus, looping)
        if not broken:
            report.skip("no lossy binary: set FANFARE_LOSSY")
        sender.send("prices", b"no JSON")
        rejected = 'rate(fanfare_rejected_total{reason="payload_not_json"}[10s]) > 0'
        until(lambda: prometheus.query(rejected), 10, "a rejection in the rates")
        alerts = prometheus.alerts()
        queries = dashboard_queries()
        wanted = [query for _, query in queries] + [alert["query"] for alert in alerts]
        report.check("every metric in the queries exists", known, clean, wanted)
        report.check("every panel has data", answered, prometheus, queries)
        report.check("load on a healthy node triggers no alert", quiet, prometheus, clean)
        return alerts


def main():
    given, report = arguments("alerts"), Report("alerts")
    if not program(given.tools, "prometheus").exists():
        report.skip("Prometheus is not installed")
        return 0
    for old in ("live", "hour"):
        shutil.rmtree(given.logs / old, ignore_errors=True)
    report.check("promtool accepts the rules and their tests", rules, given.tools)
    report.check(f"{DASHBOARD.name} can be imported", layout)
    alerts = live(report, given)
    report.check("every alert has its annotations", named, alerts)
    if RUNBOOK.exists():
        report.check("every alert has a section in the runbook", runbook, alerts)
    else:
        report.skip(f"runbook: no {RUNBOOK.name}")
    report.check("an hour of normal operation triggers no alert", hour, given.tools, given.logs, given.fanfare, alerts)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
