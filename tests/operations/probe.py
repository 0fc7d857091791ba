"""Tries system calls that fanfare does not need, and some that it needs. Prints the error of each
as JSON, 0 for success. The checks of sandboxes run this program confined and unconfined, in another
root directory too, so it needs only the standard library.
"""

import ctypes
import json
import os
import pathlib
import platform
import signal
import socket
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
NUMBERS = {  # asm/unistd.h: clone, clone3, unshare, setns
    "x86_64": (56, 435, 272, 308),
    "aarch64": (220, 435, 97, 268),
}
CLONE, CLONE3, UNSHARE, SETNS = NUMBERS[platform.machine()]
NEW_NAMESPACES = {"mount": 0x20000, "cgroup": 0x2000000, "user": 0x10000000, "network": 0x40000000}
# Address families that have had faults in the kernel, and the netlink protocol of firewalls.
FAMILIES = {
    "AF_KEY": (15, socket.SOCK_RAW, 2),
    "AF_PACKET": (17, socket.SOCK_RAW, 0),
    "AF_ALG": (38, socket.SOCK_SEQPACKET, 0),
    "AF_VSOCK": (40, socket.SOCK_STREAM, 0),
}
NETFILTER = (socket.AF_NETLINK, socket.SOCK_RAW, 12)
NEEDED = {
    "AF_UNIX": (socket.AF_UNIX, socket.SOCK_STREAM, 0),
    "AF_INET": (socket.AF_INET, socket.SOCK_STREAM, 0),
    "AF_INET6": (socket.AF_INET6, socket.SOCK_DGRAM, 0),
    "NETLINK_ROUTE": (socket.AF_NETLINK, socket.SOCK_RAW, 0),
}


def call(*words):
    """Makes a system call, and returns its result and its error."""
    ctypes.set_errno(0)
    result = LIBC.syscall(*map(ctypes.c_long, words))
    return result, ctypes.get_errno()


def new_process(flags):
    """Forks with flags of clone(2). Returns the error."""
    result, error = call(CLONE, flags | signal.SIGCHLD, 0, 0, 0, 0)
    if result == 0:
        os._exit(0)
    if result > 0:
        os.waitpid(result, 0)
    return error


def opened(family, kind, protocol):
    result, error = call_socket(family, kind, protocol)
    if result >= 0:
        os.close(result)
    return error


def call_socket(*words):
    ctypes.set_errno(0)
    return LIBC.socket(*words), ctypes.get_errno()


def main():
    found = {f"clone {name}": new_process(flag) for name, flag in NEW_NAMESPACES.items()}
    # Without a filter, the kernel answers EINVAL to the length 0.
    found["clone3"] = call(CLONE3, 0, 0)[1]
    found["unshare user"] = call(UNSHARE, 0x10000000)[1]
    found["setns"] = call(SETNS, -1, 0)[1]
    found |= {name: opened(*words) for name, words in {**FAMILIES, "NETFILTER": NETFILTER}.items()}
    found |= {name: opened(*words) for name, words in NEEDED.items()}
    found["process"] = new_process(0)
    thread = threading.Thread(target=os.getpid)
    thread.start()
    thread.join()
    print(json.dumps(found))


def program():
    """Returns this file as a program for `python3 -c`."""
    return pathlib.Path(__file__).read_text() + "\nmain()\n"
