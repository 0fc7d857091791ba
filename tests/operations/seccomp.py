"""tuning/docker/seccomp.json, by running fanfare under it.

The kernel takes no JSON: the profile becomes the classic BPF program that a container runtime would
make of it. `seccomp.py exec WITHOUT PROGRAM ARGUMENT...` runs a program under the profile without
the calls whose names begin with WITHOUT (`-`: with all).
"""

import asyncio
import ctypes
import json
import os
import pathlib
import platform
import re
import signal
import struct
import subprocess
import sys
import tempfile

PROFILE = pathlib.Path(__file__).parents[2] / "tuning/docker/seccomp.json"

# linux/audit.h: the architecture as a filter sees it.
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# linux/filter.h and linux/seccomp.h.
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_OFFSET, ARCHITECTURE_OFFSET = 0, 4
ALLOW, ERROR, KILL = 0x7FFF0000, 0x00050000, 0x80000000
NO_NEW_PRIVILEGES, SET_SECCOMP, MODE_FILTER = 38, 22, 2


def numbers():
    """The system calls of this machine by name, as its C headers have them."""
    preprocess = ["cc", "-E", "-dM", "-include", "asm/unistd.h", "-x", "c", "/dev/null"]
    text = subprocess.run(preprocess, capture_output=True, text=True, check=True).stdout
    known = dict(re.findall(r"#define (__NR\w*) (\w+)", text))
    # Some names stand for another one that has the number.
    known = {name: known.get(value, value) for name, value in known.items()}
    return {name[5:]: int(value) for name, value in known.items() if value.isdigit()}


def allowed(without):
    """The names of the profile's calls."""
    profile = json.loads(PROFILE.read_text())
    names = [name for group in profile["syscalls"] for name in group["names"]]
    return [name for name in names if without == "-" or not name.startswith(without)]


def program(without):
    """The profile as instructions; what another machine has but not this one is left out."""
    known = numbers()
    errno = json.loads(PROFILE.read_text())["defaultErrnoRet"]
    code = [
        (LOAD, 0, 0, ARCHITECTURE_OFFSET),
        (EQUAL, 1, 0, ARCHITECTURES[platform.machine()]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER_OFFSET),
    ]
    for name in allowed(without):
        if name in known:
            code += [(EQUAL, 0, 1, known[name]), (RETURN, 0, 0, ALLOW)]
    code.append((RETURN, 0, 0, ERROR | errno))
    return b"".join(struct.pack("HBBI", *each) for each in code)


def confine(without, command):
    """Becomes `command` under the profile."""
    code = program(without)
    text = ctypes.create_string_buffer(code)
    filter_program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(text))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or library.prctl(
        SET_SECCOMP, MODE_FILTER, filter_program, 0, 0
    ):
        raise OSError(ctypes.get_errno(), "the filter was not taken")
    os.execv(command[0], command)


class Confined:
    """A program that runs another one under the profile, for whoever wants a path."""

    def __init__(self, program, without="-"):
        self.directory = tempfile.TemporaryDirectory(prefix="fanfare-seccomp-")
        self.path = pathlib.Path(self.directory.name) / "confined"
        words = f'"{sys.executable}" "{__file__}" exec "{without}" "{program}" "$@"'
        self.path.write_text(f"#!/bin/sh\nexec {words}\n")
        self.path.chmod(0o755)

    def __enter__(self):
        return str(self.path)

    def __exit__(self, *_):
        self.directory.cleanup()


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def refused():
    """The filter filters: a call that fanfare has no use for fails."""
    code = "import ctypes; print(ctypes.CDLL(None, use_errno=True).unshare(0), ctypes.get_errno())"
    with Confined(sys.executable) as python:
        said = run(python, "-c", code).stdout.split()
    if said != ["-1", "38"]:
        raise AssertionError(f"unshare gave {said} under the profile")


def served(fanfare, log):
    """A day in the life: publishers, a client, a scrape, a reload, a drain."""
    import websockets.asyncio.client
    import zmq

    from node import Node, until

    async def listen(node):
        url = f"ws://{node.ws}/raw?topic=news"
        async with websockets.asyncio.client.connect(url) as client:
            context = zmq.Context()
            for kind, endpoint in ((zmq.PUSH, node.pull), (zmq.REQ, node.router)):
                socket = context.socket(kind)
                socket.connect(endpoint)
                socket.send_multipart([b"news", b'{"by":"%d"}' % kind])
                got = await asyncio.wait_for(client.recv(), 10)
                if got != '{"by":"%d"}' % kind:
                    raise AssertionError(got)
            context.destroy(linger=0)

    with Confined(fanfare) as confined, Node(confined, log, 18380, {"drain.period": "1s"}) as node:
        asyncio.run(listen(node))
        if node.sum("fanfare_accepted_total") < 1:
            raise AssertionError("the client is not counted")
        node.server.process.send_signal(signal.SIGHUP)
        until(lambda: "reload" in node.log_path.read_text(), 10, "the reload is logged")
        status = node.server.drain()
        if status:
            raise AssertionError(f"the drain ended with {status}")
    return f"{len(allowed('-'))} calls"


def examined(fanfare):
    with Confined(fanfare) as confined:
        ring = [line for line in run(confined, "doctor").stdout.splitlines() if "completion ring" in line]
    if not ring[0].startswith("ok"):
        raise AssertionError(ring)


def forbidden(fanfare):
    """As under a profile without rings, Docker's own: the start ends, and the doctor says why."""
    with Confined(fanfare, "io_uring") as confined:
        start = run(confined, "serve", "-s", "ws.listen=127.0.0.1:18380", "-s", "admin.listen=off")
        doctor = run(confined, "doctor")
    if start.returncode != 1 or "seccomp" not in start.stderr:
        raise AssertionError(f"{start.returncode}: {start.stderr}")
    if doctor.returncode != 1 or "seccomp" not in doctor.stdout:
        raise AssertionError(f"{doctor.returncode}: {doctor.stdout}")


def main():
    from node import Report, arguments

    given = arguments("seccomp")
    fanfare = str(pathlib.Path(given.fanfare).resolve())
    report = Report("seccomp")
    if platform.machine() not in ARCHITECTURES:
        report.skip(f"the profile has no {platform.machine()}")
        return
    report.check("what fanfare has no use for fails", refused)
    report.check("serve, publish, subscribe, reload and drain work", served, fanfare, given.logs / "served.log")
    report.check("the doctor finds its ring", examined, fanfare)
    report.check("without the rings it says so", forbidden, fanfare)
    sys.exit(bool(report.failed))


if __name__ == "__main__":
    if sys.argv[1:2] == ["exec"]:
        confine(sys.argv[2], sys.argv[3:])
    main()
