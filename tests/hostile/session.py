"""One server on a core of its own, with the honest clients, the honest publishers and a scraper.

The attackers have another core. With more than two cores, the honest clients have a third one.
"""

import contextlib
import os
import pathlib
import re
import tempfile
import time

from bounds import (
    BASELINE_S,
    DELIVERY_RATIO,
    MIB,
    PING_P99_MS,
    REPLY_MAX_MS,
    SCRAPE_MAX_MS,
    SETTINGS,
    SETTLE_S,
    WATCHDOG_S,
)
from honest import TOPICS, Honest
from node import Node, until
from services import Http, Push, Req, Scraper
from watchdog import Manager

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, ATTACK_CORE = CORES[0], CORES[1 % len(CORES)]
HONEST_CORE = CORES[2] if len(CORES) > 2 else ATTACK_CORE


class Session:
    """`cores` are those of the server. `before` is what the clients measured before the attack."""

    def __init__(self, given, name, token=None, config=None, shards=1, cores=(SERVER_CORE,)):
        self.token, self.stack = token, contextlib.ExitStack()
        log_path = given.logs / f"{name.replace(' ', '-')}.log"
        log_path.unlink(missing_ok=True)
        self.manager = Manager(self.stack.enter_context(tempfile.TemporaryDirectory()))
        period_us = int(WATCHDOG_S * 1e6)
        variables = {"NOTIFY_SOCKET": self.manager.path, "WATCHDOG_USEC": period_us}
        settings = {"cpu.shards": shards, **SETTINGS}
        if token:
            settings["admin.token"] = token
        self.node = Node(given.fanfare, log_path, given.base, settings, variables)
        command = self.node.server.command + (["-c", str(config)] if config else [])
        self.node.server.command = ["taskset", "-c", ",".join(map(str, cores)), *command]
        self.admin = self.node.admin.removeprefix("http://")
        self.scraper = Scraper(self.admin, token)

    def __enter__(self):
        with self.stack as stack:
            stack.enter_context(self.node)
            os.sched_setaffinity(0, {HONEST_CORE})
            self.honest = stack.enter_context(Honest(self.node.ws, {HONEST_CORE}))
            publishers = [Push(self.node.pull), Req(self.node.router), Http(self.admin, self.token)]
            self.publishers = [stack.enter_context(publisher) for publisher in publishers]
            stack.enter_context(self.scraper)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *given):
        os.sched_setaffinity(0, CORES)
        return self.stack.__exit__(*given)

    def measure_before(self):
        began = lambda: all(publisher.number > 1 for publisher in self.publishers)
        until(began, SETTLE_S, "publications")
        self.begin()
        time.sleep(BASELINE_S)
        self.before = self.settle()
        found = faults(self.before, self.before)
        if found:
            raise failure(found, f"before the attack: {'; '.join(found)}")

    def begin(self):
        self.since = time.monotonic()
        self.honest.begin()

    def settle(self):
        """Returns what the clients, the publishers and the scraper have measured since `begin`."""
        numbers = {publisher.name: publisher.number for publisher in self.publishers}
        figures = self.honest.settle({topic: numbers[topic] for topic in TOPICS}, SETTLE_S)
        for service in (*self.publishers, self.scraper):
            figures[f"{service.name}_max_ms"] = service.max_ms(self.since)
            figures[f"{service.name}_failed"] = service.failed(self.since)
        fed = [self.since, *self.manager.times("WATCHDOG=1", self.since), time.monotonic()]
        figures["watchdog_gap_s"] = max(later - earlier for earlier, later in zip(fed, fed[1:]))
        return figures

    def resident_mib(self):
        pages = int(pathlib.Path(f"/proc/{self.node.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / MIB


class Delayed(AssertionError):
    """Times are above their bounds, and nothing else is wrong. A pause of the host looks the same."""


def failure(found, text):
    """Returns the exception for these findings. `text` is the message."""
    is_delay = all(re.match(r"\w+_ms ", finding) for finding in found)
    return (Delayed if is_delay else AssertionError)(text)


def faults(figures, before, floor_ms=0):
    """Returns the figures that are outside of their bounds, as words."""
    bounds = {
        "ping_p99_ms": PING_P99_MS,
        "delivery_p99_ms": max(floor_ms, DELIVERY_RATIO * before["delivery_p99_ms"]),
        "missing": 0,
        "disordered": 0,
        "req_max_ms": REPLY_MAX_MS,
        "http_max_ms": SCRAPE_MAX_MS,
        "scrape_max_ms": SCRAPE_MAX_MS,
        "watchdog_gap_s": WATCHDOG_S,
    }
    above = [name for name, bound in bounds.items() if figures[name] > bound]
    found = [f"{name} {figures[name]:.1f} is above {bounds[name]:.1f}" for name in above]
    if figures["closed"]:
        found.append(f"honest clients closed, by code: {figures['closed']}")
    for name in (*TOPICS, "scrape"):
        failed = figures[f"{name}_failed"]
        if failed:
            found.append(f"{name} failed {len(failed)} times, first: {failed[0]}")
    return found


def described(figures, before):
    return (
        "ping p50 {ping_p50_ms:.1f} p99 {ping_p99_ms:.1f} ms, deliveries p99 {delivery_p99_ms:.1f} ms "
        "({before:.1f} before), closed {count}, missing {missing}, received {deliveries}, at most "
        "{scrape_max_ms:.0f} ms for scrapes, {req_max_ms:.0f} for REQ, {http_max_ms:.0f} for HTTP and "
        "{pause_ms:.0f} for a turn of the clients themselves"
    ).format(before=before["delivery_p99_ms"], count=sum(figures["closed"].values()), **figures)


def judge(figures, before, *notes, floor_ms, found=()):
    """Returns the figures as a note. Raises an exception if some are outside of their bounds, or if
    there are other findings."""
    found = [*faults(figures, before, floor_ms), *found]
    text = ", ".join([described(figures, before), *notes])
    if found:
        raise failure(found, f"{'; '.join(found)} ({text})")
    return text
