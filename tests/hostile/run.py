"""Runs the attacks and prints one line for each, with its figures.

Arguments: `--fanfare BINARY --logs DIR`, and optionally the names of attacks. The server has one
core and the attackers another.
"""

import argparse
import pathlib
import resource
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "operations"))

import admin  # noqa: E402
import clients  # noqa: E402
import publishers  # noqa: E402
import reload  # noqa: E402
from bounds import ATTACKERS  # noqa: E402
from node import Report  # noqa: E402
from session import CORES, Delayed  # noqa: E402

BASE = 18480
# The runs in which a check may pass.
RUNS = 3
DESCRIPTORS = max(ATTACKERS.values()) + 1_000


class Selected(Report):
    """Runs only the checks that were selected, or all of them."""

    def __init__(self, names):
        super().__init__("hostile")
        self.names = names

    def check(self, name, function, *arguments):
        if not self.names or name in self.names:
            super().check(name, attempted, function, *arguments)


def attempted(function, *arguments):
    """Repeats a check that failed only because of times above their bounds. The host may have paused
    for longer than the bounds, and a server that is too slow fails in every run."""
    delays = []
    while True:
        try:
            note = function(*arguments)
        except Delayed as delay:
            delays.append(str(delay))
            if len(delays) == RUNS:
                raise
        else:
            before = "".join(f"; an earlier run: {delay}" for delay in delays)
            return f"{note}{before}"


def arguments():
    parser = argparse.ArgumentParser(prog="hostile")
    parser.add_argument("--fanfare", required=True)
    parser.add_argument("--logs", type=pathlib.Path, required=True)
    parser.add_argument("--base", type=int, default=BASE, help="the first of ten ports")
    parser.add_argument("names", nargs="*")
    parsed = parser.parse_args()
    parsed.logs.mkdir(parents=True, exist_ok=True)
    return parsed


def main():
    given = arguments()
    report = Selected(given.names)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if len(CORES) < 2:
        report.skip("the server and the attackers need a core each")
    elif hard < DESCRIPTORS:
        report.skip(f"{DESCRIPTORS} descriptors are needed, and the limit is {hard}")
    else:
        for part in (clients, publishers, admin, reload):
            part.main(given, report)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
