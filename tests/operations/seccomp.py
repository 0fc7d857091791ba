"""Tests tuning/docker/seccomp.json by running fanfare under it.

The kernel does not read JSON. This program converts the profile into a classic BPF program, as a
container runtime does. `seccomp.py exec WITHOUT PROGRAM ARGUMENT...` runs a program under the
profile without the calls whose names begin with WITHOUT (`-` removes no call).
"""

import asyncio
import ctypes
import errno
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

import probe

ROOT = pathlib.Path(__file__).parents[2]
PROFILE, DOCKERFILE = ROOT / "tuning/docker/seccomp.json", ROOT / "tuning/docker/Dockerfile"
PAGE = ROOT / "docs/TUNING.md"

# linux/audit.h: the architecture as a filter reads it.
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# linux/filter.h and linux/seccomp.h.
LOAD, AND, EQUAL, RETURN = 0x20, 0x54, 0x15, 0x06
NUMBER_OFFSET, ARCHITECTURE_OFFSET, ARGUMENTS_OFFSET = 0, 4, 16
ALLOW, ERROR, KILL = 0x7FFF0000, 0x00050000, 0x80000000
NO_NEW_PRIVILEGES, SET_SECCOMP, MODE_FILTER = 38, 22, 2


def numbers():
    """Returns the numbers of the system calls by name, from the C headers of this machine."""
    preprocess = ["cc", "-E", "-dM", "-include", "asm/unistd.h", "-x", "c", "/dev/null"]
    text = subprocess.run(preprocess, capture_output=True, text=True, check=True).stdout
    known = dict(re.findall(r"#define (__NR\w*) (\w+)", text))
    # Some names are defined as another name, which has the number.
    known = {name: known.get(value, value) for name, value in known.items()}
    return {name[5:]: int(value) for name, value in known.items() if value.isdigit()}


def allowed(without="-"):
    """Returns the calls that the profile allows, each with the conditions on its arguments."""
    profile = json.loads(PROFILE.read_text())
    pairs = [(name, group.get("args", [])) for group in profile["syscalls"] for name in group["names"]]
    return [(name, args) for name, args in pairs if without == "-" or not name.startswith(without)]


def calls():
    return len({name for name, _ in allowed()})


def halves(number):
    return number & 0xFFFFFFFF, number >> 32


def condition(argument):
    """Returns instructions that test one argument, in two halves. A test that fails continues with
    the next rule. Its distance is not known yet, so it is None."""
    masks, values = halves(2**64 - 1), halves(argument["value"])
    if argument["op"] == "SCMP_CMP_MASKED_EQ":
        masks, values = values, halves(argument["valueTwo"])
    elif argument["op"] != "SCMP_CMP_EQ":
        raise ValueError(f"{argument['op']} is not supported by this test")
    code = []
    for half, (mask, value) in enumerate(zip(masks, values)):
        code.append((LOAD, 0, 0, ARGUMENTS_OFFSET + 8 * argument["index"] + 4 * half))
        code += [(AND, 0, 0, mask), (EQUAL, 0, None, value)]
    return code


def rule(number, arguments):
    """Returns instructions that allow a call if all conditions hold."""
    code = [(LOAD, 0, 0, NUMBER_OFFSET), (EQUAL, 0, None, number)]
    for argument in arguments:
        code += condition(argument)
    code.append((RETURN, 0, 0, ALLOW))
    ends = len(code)
    return [
        (kind, true, ends - at - 1 if false is None else false, value)
        for at, (kind, true, false, value) in enumerate(code)
    ]


def program(without):
    """Returns the profile as BPF instructions, without calls that this machine does not have."""
    known = numbers()
    error = json.loads(PROFILE.read_text())["defaultErrnoRet"]
    code = [
        (LOAD, 0, 0, ARCHITECTURE_OFFSET),
        (EQUAL, 1, 0, ARCHITECTURES[platform.machine()]),
        (RETURN, 0, 0, KILL),
    ]
    for name, arguments in allowed(without):
        if name in known:
            code += rule(known[name], arguments)
    code.append((RETURN, 0, 0, ERROR | error))
    return b"".join(struct.pack("HBBI", *each) for each in code)


def confine(without, command):
    """Replaces this process by `command` under the profile."""
    code = program(without)
    text = ctypes.create_string_buffer(code)
    filter_program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(text))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or library.prctl(
        SET_SECCOMP, MODE_FILTER, filter_program, 0, 0
    ):
        raise OSError(ctypes.get_errno(), "the kernel rejected the filter")
    os.execv(command[0], command)


class Confined:
    """A script that runs a program under the profile, for callers that need a path."""

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
    """Calls that fanfare does not need fail under the profile, and the others work. Without the
    profile, at least a new namespace is possible, or this check would prove nothing."""
    free = json.loads(run(sys.executable, "-c", probe.program()).stdout)
    with Confined(sys.executable) as python:
        confined = json.loads(run(python, "-c", probe.program()).stdout)
    for name, error in confined.items():
        is_needed = name in probe.NEEDED or name == "process"
        if error != (0 if is_needed else errno.ENOSYS):
            raise AssertionError(f"{name}: error {error} under the profile")
    open_before = [name for name, error in free.items() if confined[name] and not error]
    if free["clone user"] and os.geteuid() == 0:
        raise AssertionError(f"nothing is refused that works without the profile: {free}")
    return f"without the profile, these work: {', '.join(open_before)}"


def described():
    """The page states the number of calls, and the Dockerfile refers to the page."""
    page = re.sub(r"\s+", " ", PAGE.read_text())
    if f"{calls()} calls" not in page:
        raise AssertionError(f"{PAGE.name} does not state the number of calls, {calls()}")
    text = DOCKERFILE.read_text()
    if "docs/TUNING.md" not in text or re.search(r"seccomp.*(forbid|allow)", text):
        raise AssertionError(f"{DOCKERFILE.name} describes the profile itself")
    return f"{calls()} calls"


def served(fanfare, log):
    """Publishers, a client, a scrape, a reload and a drain work under the profile."""
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
    return f"{calls()} calls"


def examined(fanfare):
    """`fanfare doctor` can set up a completion ring under the profile."""
    with Confined(fanfare) as confined:
        ring = [line for line in run(confined, "doctor").stdout.splitlines() if "completion ring" in line]
    if not ring[0].startswith("ok"):
        raise AssertionError(ring)


def forbidden(fanfare):
    """Under a profile without rings, such as Docker's, the server fails and names the reason."""
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
        report.skip(f"the profile does not cover {platform.machine()}")
        return
    report.check("namespaces and address families that fanfare does not need fail", refused)
    report.check("TUNING.md alone describes the profile", described)
    report.check("serve, publish, subscribe, reload and drain work", served, fanfare, given.logs / "served.log")
    report.check("the doctor can set up a ring", examined, fanfare)
    report.check("without rings, serve and doctor name seccomp as the reason", forbidden, fanfare)
    sys.exit(bool(report.failed))


if __name__ == "__main__":
    if sys.argv[1:2] == ["exec"]:
        confine(sys.argv[2], sys.argv[3:])
    main()
