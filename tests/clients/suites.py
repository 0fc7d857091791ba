"""Runs the SDKs' own tests against a fanfare server: those of centrifuge-go and of centrifuge-python.

    suites.py --fanfare BINARY --tools DIR --logs DIR

suites.toml lists which tests must pass, which must fail and why, and which use no server. A test that
is not listed, or that is listed and does not exist, is a failure. Each test runs in a process of its
own, because a failed test can prevent the end of its process. Prints `ok`, `not ok` and `SKIPPED`
lines as run.py does. Lines that begin with `#` name the unsupported tests.
"""

import argparse
import concurrent.futures
import fnmatch
import os
import pathlib
import signal
import subprocess
import sys
import time
import tomllib

from browsers import end_group
from feed import Metrics
from server import Addresses, Server

HERE = pathlib.Path(__file__).parent
SUPPORTED_TIMEOUT_S = 60
UNSUPPORTED_TIMEOUT_S = 10  # longer than the longest wait in one of these tests
AT_ONCE = 4  # unsupported tests, most of which wait for their own timeout
METRICS_TIMEOUT_S = 3
# As in the docker-compose.yml of each SDK's sources. The clients of centrifuge-go have no tokens and may
# do everything.
GO_SETTINGS = ["auth.allow_anonymous=true"] + [
    f"namespace..allow_{action}_for_{who}=true" for action in ("subscribe", "publish") for who in ("client", "anonymous")
]
PYTHON_SETTINGS = ["auth.token.hmac_secret_key=secret", "namespace..allow_publish_for_subscriber=true"]
LIST_PYTHON = """
import unittest
def names(tests):
    for test in tests:
        yield from names(test) if isinstance(test, unittest.TestSuite) else [test.id()]
for name in names(unittest.defaultTestLoader.loadTestsFromName("tests.test_client")):
    print(name.removeprefix("tests.test_client."))
"""


class Suite:
    """The tests of one SDK. `program` must exist. `settings` are those of its server."""

    def __init__(self, sdk, program, directory, listing, one, settings=()):
        self.sdk, self.program, self.directory, self.settings = sdk, program, directory, settings
        self.listing, self.one = listing, one
        lists = tomllib.loads((HERE / "suites.toml").read_text())[sdk]
        self.supported, self.unsupported = lists["supported"], lists["unsupported"]
        self.offline = lists["offline"]

    def names(self):
        """Returns the names of all tests of the SDK."""
        listed = subprocess.run(
            self.listing, cwd=self.directory, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if listed.returncode:
            raise RuntimeError(f"the tests cannot be listed: {listed.stderr.strip()[-200:]}")
        return set(listed.stdout.split())

    def unlisted(self, names):
        """Returns the differences between the tests that exist and the lists."""
        known = {*self.supported, *self.unsupported}
        local = {name for name in names for each in self.offline if fnmatch.fnmatchcase(name, each)}
        unused = [each for each in self.offline if not fnmatch.filter(names, each)]
        new = [f"{name} is not listed" for name in names - known - local]
        gone = [f"{name} does not exist" for name in [*(known - names), *unused]]
        both = [f"{name} is listed twice" for name in known & local | set(self.supported) & set(self.unsupported)]
        return sorted(new + gone + both)

    def passes(self, name, log, timeout_s):
        """Runs one test. A test that does not end in time has failed."""
        with open(log, "wb") as output:
            process = subprocess.Popen(
                self.one(name), cwd=self.directory, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
            )
            try:
                return process.wait(timeout_s) == 0
            except subprocess.TimeoutExpired:
                return False
            finally:
                end_group(process)


def suites(tools):
    python, go = tools / "python/bin/python", tools / "go/bin/centrifuge-go.test"
    tests = tools / "python/sdist"
    unittest = [python, "-m", "unittest"]
    return [
        Suite(
            "centrifuge-go", go, tools, [go, "-test.list", "."],
            lambda name: [go, "-test.run", f"^{name}$"], GO_SETTINGS,
        ),
        Suite(
            "centrifuge-python", tests / "tests/test_client.py", tests, [python, "-c", LIST_PYTHON],
            lambda name: [*unittest, f"tests.test_client.{name}"], PYTHON_SETTINGS,
        ),
    ]


class Judge:
    """Runs the tests of a suite and prints their lines."""

    def __init__(self, suite, logs, metrics):
        self.suite, self.logs, self.metrics, self.clean = suite, logs, metrics, True

    def line(self, reason, name):
        """Prints `ok`, or `not ok` with the reason."""
        self.clean &= not reason
        where = f"{self.suite.sdk}'s own tests: {name}"
        print(f"not ok {where}: {reason}" if reason else f"ok {where}", flush=True)

    def log(self, name):
        return self.logs / f"{self.suite.sdk}-{name}.log"

    def upgrades(self):
        return self.metrics.sum("fanfare_upgraded_total")

    def supported(self, name):
        """Runs a test that must pass and must connect. Returns why it does not, or None."""
        before = self.upgrades()
        if not self.suite.passes(name, self.log(name), SUPPORTED_TIMEOUT_S):
            return f"fails: see {self.log(name)}"
        deadline = time.monotonic() + METRICS_TIMEOUT_S
        while self.upgrades() == before:
            if time.monotonic() > deadline:
                return "passes without a connection to the server: list it as offline"
            time.sleep(0.05)
        return None

    def unsupported(self, name):
        return self.suite.passes(name, self.log(name), UNSUPPORTED_TIMEOUT_S)

    def run(self):
        names = self.suite.names()
        self.line("; ".join(self.suite.unlisted(names)), "suites.toml lists each test once")
        for name in self.suite.supported:
            if name in names:
                self.line(self.supported(name), name)
        listed = [name for name in self.suite.unsupported if name in names]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            passed = [name for name, good in zip(listed, pool.map(self.unsupported, listed)) if good]
        for name, reason in self.suite.unsupported.items():
            print(f"# not supported by the server: {self.suite.sdk}'s {name}: {reason}", flush=True)
        reason = passed and f"{', '.join(passed)} passes: list it as supported"
        self.line(reason, "each test listed as unsupported fails")


def run(suite, arguments, at):
    """Runs one suite against a server of its own. Returns whether all its checks passed."""
    if not os.path.exists(suite.program):
        print(f"SKIPPED {suite.sdk}'s own tests: {suite.program} is not installed", flush=True)
        return True
    log = arguments.logs / f"{suite.sdk}.server.log"
    settings = [word for setting in suite.settings for word in ("-s", setting)]
    options = ["-c", HERE / "suites-server.toml", *settings]
    server = Server(arguments.fanfare, options, at.health, log)
    judge = Judge(suite, arguments.logs, Metrics(at.metrics))
    try:
        server.start()
        judge.run()
    except (OSError, RuntimeError) as fault:
        judge.line(f"{type(fault).__name__} {fault}", "run")
    finally:
        server.close()
    return judge.clean


def main():
    parser = argparse.ArgumentParser()
    for option in ("--fanfare", "--tools", "--logs"):
        parser.add_argument(option, type=lambda path: pathlib.Path(path).absolute(), required=True)
    arguments = parser.parse_args()
    arguments.logs.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    at = Addresses(HERE / "suites-server.toml")
    return 0 if all([run(suite, arguments, at) for suite in suites(arguments.tools)]) else 1


sys.exit(main())
