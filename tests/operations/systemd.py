"""Tests the installed unit under a real systemd: start, reload, restart by the watchdog, stop. systemd
boots in separate namespaces, with only the package that package.py built.
"""

import os
import pathlib
import shutil
import subprocess
import sys

from node import Report, arguments, until

PORTS = 18370
BOOT = pathlib.Path(__file__).with_name("boot.sh")


def exporter_of(tools):
    return (tools / "prometheus-node-exporter/usr/bin/prometheus-node-exporter").resolve()


class Proof:
    """The results that the shell script in the booted system has written so far."""

    def __init__(self, given, package):
        self.folder = given.logs.resolve()
        shutil.rmtree(self.folder / "boot", ignore_errors=True)
        for log in self.folder.glob("*.log"):
            log.unlink()
        namespaces = ["--mount", "--pid", "--fork", "--cgroup", "--kill-child"]
        exporter = exporter_of(given.tools)
        command = ["unshare", *namespaces, BOOT, package, self.folder, str(PORTS), exporter]
        with open(self.folder / "boot.log", "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def found(self):
        path = self.folder / "proof.log"
        text = path.read_text() if path.exists() else ""
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def expect(self, key, value, timeout_s=30):
        def known():
            return key in self.found() or self.process.poll() is not None

        until(known, timeout_s, f"{key}; see {self.folder}")
        assert self.found().get(key) == value, f"{self.found()}; see {self.folder}"


def main():
    given, report = arguments("systemd"), Report("systemd")
    package = given.logs.resolve().parent / "package/fanfare.deb"
    if not package.exists():
        return report.skip("no package to install; package.py builds it")
    if pathlib.Path("/run/systemd/system").exists():
        return report.skip("systemd runs on this machine, and two instances would share control groups")
    if os.geteuid():
        return report.skip("the namespaces require root privileges")
    with Proof(given, package) as proof:
        try:
            until(proof.found, 25, "systemd has booted")
        except RuntimeError as error:
            return report.skip(f"{error}: see {proof.folder}/boot.log")
        report.check("start waits for READY=1", proof.expect, "started", "active")
        report.check("the memory of the unit is bounded", proof.expect, "memory_percent", "80")
        report.check("a reload succeeds", proof.expect, "reloaded", "yes")
        report.check("the watchdog does not restart a working server", proof.expect, "restarts_while_well", "0")
        report.check("after SIGSTOP, the watchdog restarts the server once", proof.expect, "restarts", "1")
        report.check("the restarted server is active", proof.expect, "restarted", "active")
        report.check("the search of the runbook finds the reason", proof.expect, "reason", "watchdog")
        if exporter_of(given.tools).exists():
            report.check("node_exporter counts the restart for the alert", proof.expect, "exported", "1")
        else:
            report.skip("the count of restarts: node_exporter is not installed")
        report.check("the unit stops with status 0", proof.expect, "status", "0")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
