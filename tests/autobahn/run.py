"""Runs the fuzzingclient of Autobahn|Testsuite against the echo handler of fanfare, with sections 1
to 10, 12 and 13.

    run.py --fanfare BINARY --wstest PROGRAM --logs DIR [--quick] [CASE...]

Prints `ok autobahn N.N.N` or `not ok autobahn N.N.N: result` for each case. The results OK and
INFORMATIONAL pass. NON-STRICT fails. Cases with a window size that fanfare declines must have the
result UNIMPLEMENTED. CASE is a pattern such as `9.*`; without a pattern, all cases run. --quick
skips the cases of sections 12 and 13 that repeat other cases with other texts and offers. These
cases take four minutes on two cores.
"""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).parent.parent / "clients"))
from server import Server  # noqa: E402

ADDRESS = "127.0.0.1:18100"
SETTINGS = {
    "ws.listen": ADDRESS,
    "ws.echo": "true",
    "ws.max_message": "16MiB",
    "ws.outbox": "64MiB",
    "admin.listen": "127.0.0.1:18101",
    "ingest.pull": "tcp://127.0.0.1:18110",
    "ingest.sub": "tcp://127.0.0.1:18111",
    "ingest.router": "tcp://127.0.0.1:18112",
}
# Each group runs in a separate process of the suite. The groups run in parallel, because one process
# uses only one core.
GROUPS = [[f"{section}.*" for section in range(1, 11)], ["12.*"], ["13.*"]]
QUICK_GROUPS = [GROUPS[0], ["12.1.*"], ["13.5.*", "13.7.*"]]
PASSED = ("OK", "INFORMATIONAL")
# These cases ask for a window of 512 bytes. fanfare declines it, so no message is compressed.
DECLINED = ("13.3.", "13.5.")
SUITE_TIMEOUT_S = 900


def start(wstest, cases, folder):
    """Starts the suite for the given cases."""
    specification = folder / "fuzzingclient.json"
    folder.mkdir(exist_ok=True)
    (folder / "index.json").unlink(missing_ok=True)
    server = {"agent": "fanfare", "url": f"ws://{ADDRESS}/echo", "options": {"version": 18}}
    specification.write_text(
        json.dumps(
            {
                "outdir": str(folder),
                "servers": [server],
                "cases": cases,
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
        )
    )
    with open(folder / "wstest.log", "w") as log:
        command = [wstest, "-m", "fuzzingclient", "-s", specification]
        return subprocess.Popen(command, stdout=log, stderr=log)


def fuzz(wstest, groups, logs):
    """Runs the suites. Returns one dictionary from case to its results."""
    deadline = time.monotonic() + SUITE_TIMEOUT_S
    folders = [logs / f"autobahn-{number}" for number in range(len(groups))]
    suites = [start(wstest, cases, folder) for cases, folder in zip(groups, folders)]
    try:
        for suite in suites:
            status = suite.wait(max(0, deadline - time.monotonic()))
            if status != 0:
                raise RuntimeError(f"wstest ended with {status}: see {logs}")
    finally:
        for suite in suites:
            suite.kill()
            suite.wait()
    report = {}
    for folder in folders:
        report |= json.loads((folder / "index.json").read_text())["fanfare"]
    return report


def judge(case, results):
    """Prints the line of one case. Returns whether the case passed."""
    behavior, close = results["behavior"], results["behaviorClose"]
    passed = behavior in PASSED
    if case.startswith(DECLINED):
        passed = behavior == "UNIMPLEMENTED"
    if passed and close in PASSED:
        print(f"ok autobahn {case}")
        return True
    print(f"not ok autobahn {case}: {behavior}, close {close}, code {results['remoteCloseCode']}")
    return False


def main():
    parser = argparse.ArgumentParser()
    for option in ("--fanfare", "--wstest", "--logs"):
        parser.add_argument(option, type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    logs = arguments.logs.absolute()
    logs.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    settings = [word for key, value in SETTINGS.items() for word in ("-s", f"{key}={value}")]
    server = Server(
        arguments.fanfare.absolute(),
        settings,
        f"http://{ADDRESS}/health",
        logs / "autobahn.server.log",
    )
    try:
        server.start()
        groups = QUICK_GROUPS if arguments.quick else GROUPS
        groups = [arguments.cases] if arguments.cases else groups
        report = fuzz(arguments.wstest.absolute(), groups, logs)
    except (RuntimeError, OSError, subprocess.SubprocessError) as fault:
        print(f"not ok autobahn: {fault}")
        return 1
    finally:
        server.close()
    by_number = sorted(report, key=lambda case: [int(part) for part in case.split(".")])
    if arguments.quick:
        left_out = "12.2 to 12.5, 13.1 to 13.4, 13.6"
        print(f"SKIPPED autobahn {left_out}: takes long; tests/run.sh autobahn runs all cases")
    return 0 if all([judge(case, report[case]) for case in by_number]) else 1


sys.exit(main())
