"""The installed unit under a real systemd: started, reloaded, killed by the watchdog and started
again, stopped. systemd boots in namespaces of its own, with nothing but the package package.py made.
"""

import os
import pathlib
import shutil
import subprocess

from node import Report, arguments, until

PORTS = 18370
BOOT = pathlib.Path(__file__).with_name("boot.sh")


class Proof:
    """What the shell script in the booted system has found so far."""

    def __init__(self, given, package):
        self.folder = given.logs.resolve()
        shutil.rmtree(self.folder / "boot", ignore_errors=True)
        for log in self.folder.glob("*.log"):
            log.unlink()
        namespaces = ["--mount", "--pid", "--fork", "--cgroup", "--kill-child"]
        command = ["unshare", *namespaces, BOOT, package, self.folder, str(PORTS)]
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
        return report.skip("no package to install: see package.py")
    if pathlib.Path("/run/systemd/system").exists():
        return report.skip("this machine has a systemd of its own, which two would share groups with")
    if os.geteuid():
        return report.skip("needs root for its namespaces")
    with Proof(given, package) as proof:
        try:
            until(proof.found, 25, "a systemd that boots")
        except RuntimeError as error:
            return report.skip(f"{error}: see {proof.folder}/boot.log")
        report.check("start waits for READY=1", proof.expect, "started", "active")
        report.check("reload", proof.expect, "reloaded", "yes")
        report.check("the watchdog is content", proof.expect, "restarts_while_well", "0")
        report.check("SIGSTOP, and the watchdog restarts it once", proof.expect, "restarts", "1")
        report.check("and it works again", proof.expect, "restarted", "active")
        report.check("stop", proof.expect, "status", "0")
    return None


if __name__ == "__main__":
    main()
