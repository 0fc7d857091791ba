"""The checks of access.py in other programs and in browsers. The lines of each are those of run.py."""

import os
import pathlib
import queue
import shutil
import subprocess
import time
from urllib.parse import urlencode

from browsers import browser_command, end_group
from server import Addresses

HERE = pathlib.Path(__file__).parent
CONFIG = HERE / "access.toml"
AT = Addresses(CONFIG)
SECRET = "a secret of tests with at least 32 bytes"
PROGRAM_TIMEOUT_S = 120
FORMS = ("json", "protobuf")
BROWSERS = {"Chromium": "protobuf", "Firefox": "json"}


class Report:
    """Prints the lines of one SDK in one form."""

    def __init__(self, sdk, form):
        self.name, self.clean = f"{sdk}, {form}", True

    def line(self, line):
        """Prints a line of the program. Returns whether the program has ended its checks."""
        result, found, check = line.partition("ok ")
        if found and result in ("", "not "):
            print(f"{result}ok {self.name}: {check}", flush=True)
            self.clean &= not result
        return line == "done"

    def failed(self, reason):
        self.line(f"not ok run: {reason}")


def programs(tools):
    """Yields the SDKs that run in a program: name, command and forms. The first word must exist."""
    yield "centrifuge-js in Node", [shutil.which("node") or "node", HERE / "access-node.mjs"], FORMS
    yield "centrifuge-go", [tools / "go/bin/access"], FORMS
    java = tools / "java"
    runtime = shutil.which("java") if (java / "classes/Access.class").exists() else "java/classes/Access.class"
    yield "centrifuge-java", [runtime, "-cp", f"{java}/lib/*:{java}/classes", "Access"], ["protobuf"]


def program(tools, sdk, command, form):
    """Runs the checks of a program. Returns whether all passed."""
    if not os.path.exists(command[0]):
        print(f"SKIPPED {sdk}: {command[0]} is not installed", flush=True)
        return True
    report = Report(sdk, form)
    environment = {**os.environ, "NODE_TOOLS": str(tools / "node")}
    try:
        ended = subprocess.run(
            [*command, AT.client, form, SECRET, AT.api, AT.api_key],
            env=environment, stdout=subprocess.PIPE, text=True, timeout=PROGRAM_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        report.failed(f"no end within {PROGRAM_TIMEOUT_S} s")
        return False
    if not any([report.line(line) for line in ended.stdout.splitlines()]):
        report.failed("ended before its last check")
    return report.clean


def browser(name, form, results, profile):
    """Runs the checks in a browser, whose page posts its lines. Returns whether all passed."""
    page = f"{AT.control}/page.html?{urlencode({'url': AT.client, 'form': form})}"
    command = browser_command(name, profile, page)
    if not command[0]:
        print(f"SKIPPED centrifuge-js in {name}: the browser is not installed", flush=True)
        return True
    report = Report(f"centrifuge-js in {name}", form)
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + PROGRAM_TIMEOUT_S
    try:
        while not report.line(results.get(timeout=max(0, deadline - time.monotonic()))):
            pass
    except queue.Empty:
        report.failed(f"no end within {PROGRAM_TIMEOUT_S} s")
    finally:
        end_group(process)
    return report.clean
