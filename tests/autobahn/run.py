"""Autobahn|Testsuite's fuzzingclient, sections 1 to 10, against the echo handler of fanfare.

    run.py --fanfare BINARY --wstest PROGRAM --logs DIR [CASE...]

Prints `ok autobahn N.N.N` or `not ok autobahn N.N.N: verdict` per case. OK and INFORMATIONAL pass;
NON-STRICT does not. CASE is a pattern such as `9.*`; without one all ten sections run.
"""

import argparse
import json
import pathlib
import signal
import subprocess
import sys

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
SECTIONS = [f"{section}.*" for section in range(1, 11)]
PASSED = ("OK", "INFORMATIONAL")
SUITE_TIMEOUT_S = 900


def fuzz(wstest, cases, logs):
    """Runs the suite; returns its report, case to verdicts."""
    report = logs / "autobahn"
    specification = logs / "fuzzingclient.json"
    server = {"agent": "fanfare", "url": f"ws://{ADDRESS}/echo", "options": {"version": 18}}
    specification.write_text(
        json.dumps(
            {
                "outdir": str(report),
                "servers": [server],
                "cases": cases,
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
        )
    )
    (report / "index.json").unlink(missing_ok=True)
    with open(logs / "autobahn.log", "w") as log:
        subprocess.run(
            [wstest, "-m", "fuzzingclient", "-s", specification],
            stdout=log,
            stderr=log,
            timeout=SUITE_TIMEOUT_S,
            check=True,
        )
    return json.loads((report / "index.json").read_text())["fanfare"]


def judge(case, verdicts):
    """Prints the line of one case; whether it passed."""
    behavior, close = verdicts["behavior"], verdicts["behaviorClose"]
    if behavior in PASSED and close in PASSED:
        print(f"ok autobahn {case}")
        return True
    print(f"not ok autobahn {case}: {behavior}, close {close}, code {verdicts['remoteCloseCode']}")
    return False


def main():
    parser = argparse.ArgumentParser()
    for option in ("--fanfare", "--wstest", "--logs"):
        parser.add_argument(option, type=pathlib.Path, required=True)
    parser.add_argument("cases", nargs="*", default=SECTIONS)
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
        report = fuzz(arguments.wstest.absolute(), arguments.cases, logs)
    except (RuntimeError, OSError, subprocess.SubprocessError) as fault:
        print(f"not ok autobahn: {fault}")
        return 1
    finally:
        server.close()
    by_number = sorted(report, key=lambda case: [int(part) for part in case.split(".")])
    return 0 if all([judge(case, report[case]) for case in by_number]) else 1


sys.exit(main())
