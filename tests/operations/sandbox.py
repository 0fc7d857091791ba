"""Starts a process with the restrictions of a systemd unit, without systemd: user, limits, runtime
directory, no capabilities, no new privileges, system call filter, address families, no namespaces,
and no memory that is both writable and executable."""

import ctypes
import errno
import os
import re
import resource
import socket
import subprocess

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 24, 38, 65
SCMP_ACT_ALLOW, SCMP_ACT_ERRNO = 0x7FFF0000, 0x00050000
SCMP_CMP_EQ, SCMP_CMP_MASKED_EQ = 4, 7
# linux/sched.h: the flags CLONE_NEW…
NEW_NAMESPACES = 0x7E020080
SUFFIXES = {"K": 10, "M": 20, "G": 30}


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp of libseccomp."""

    _fields_ = [
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    ]


def system_calls(words):
    """Returns the system calls that words such as `@system-service io_uring_setup` stand for."""
    names = set()
    for word in words:
        if not word.startswith("@"):
            names.add(word)
            continue
        output = subprocess.run(
            ["systemd-analyze", "syscall-filter", word], check=True, capture_output=True, text=True
        ).stdout
        lines = (line.strip() for line in output.splitlines()[1:])
        names |= system_calls([line for line in lines if line and not line.startswith("#")])
    return names


def size(text):
    if text == "infinity":
        return resource.RLIM_INFINITY
    number, suffix = re.fullmatch(r"(\d+)([KMG]?)", text).groups()
    return int(number) << SUFFIXES.get(suffix, 0)


class Sandbox:
    """`values(key)` returns the values of a key in the unit, in order."""

    def __init__(self, root, values):
        self.root, self.values = root, values
        users = (root / "etc/passwd").read_text()
        (found,) = re.findall(rf"^{values('User')[0]}:x:(\d+):(\d+):", users, re.MULTILINE)
        self.user, self.group = map(int, found)
        self.allowed = set()
        for words in values("SystemCallFilter"):
            if words.startswith("~"):
                self.allowed -= system_calls(words[1:].split())
            else:
                self.allowed |= system_calls(words.split())
        # systemd also allows the calls that it needs to start the process.
        self.allowed |= system_calls(["@default"]) | {"execve"}
        (families,) = values("RestrictAddressFamilies")
        self.families = [int(getattr(socket, name)) for name in families.split()]
        self.limits = [
            (getattr(resource, f"RLIMIT_{name}"), size(values(f"Limit{name}")[0]))
            for name in ("NOFILE", "MEMLOCK")
        ]
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.seccomp = ctypes.CDLL("libseccomp.so.2")
        self.seccomp.seccomp_init.restype = ctypes.c_void_p
        self.filter = self._filter()

    def make_runtime_directory(self):
        (name,), (mode,) = self.values("RuntimeDirectory"), self.values("RuntimeDirectoryMode")
        path = self.root / "run" / name
        path.mkdir(exist_ok=True)
        os.chown(path, self.user, self.group)
        path.chmod(int(mode, 8))

    def enter(self):
        """Applies the restrictions in the child process, before it executes the program."""
        for limit, value in self.limits:
            try:
                resource.setrlimit(limit, (value, value))
            except (OSError, ValueError):  # The value exceeds the hard limit of this machine.
                most = resource.getrlimit(limit)[1]
                resource.setrlimit(limit, (most, most))
        os.umask(int(self.values("UMask")[0], 8))
        os.chroot(self.root)
        os.chdir("/")
        for capability in range(64):
            self.libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
        os.setgroups([self.group])
        os.setresgid(self.group, self.group, self.group)
        os.setresuid(self.user, self.user, self.user)
        self.libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        self.libc.prctl(PR_SET_MDWE, 1, 0, 0, 0)  # Requires Linux 6.3; older kernels ignore it.
        if self.seccomp.seccomp_load(ctypes.c_void_p(self.filter)):
            raise OSError("the system call filter does not load")

    def _filter(self):
        made = self.seccomp.seccomp_init(SCMP_ACT_ERRNO | errno.EPERM)
        self.context = ctypes.c_void_p(made)
        for name in sorted(self.allowed - {"socket", "clone", "clone3", "unshare", "setns"}):
            self._rule(SCMP_ACT_ALLOW, name)
        for family in self.families:
            self._rule(SCMP_ACT_ALLOW, "socket", Comparison(0, SCMP_CMP_EQ, family, 0))
        # RestrictNamespaces=yes. The flags of clone3 are in memory, where a filter cannot read them.
        if self.values("RestrictNamespaces") != ["yes"]:
            raise ValueError("this program supports only RestrictNamespaces=yes")
        for name in ("clone", "unshare"):
            self._rule(SCMP_ACT_ALLOW, name, Comparison(0, SCMP_CMP_MASKED_EQ, NEW_NAMESPACES, 0))
        self._rule(SCMP_ACT_ERRNO | errno.ENOSYS, "clone3")
        return made

    def _rule(self, action, name, *comparisons):
        number = self.seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # It is negative for names that this architecture or library does not know.
            self.seccomp.seccomp_rule_add_array(
                self.context, action, number, len(comparisons), (Comparison * len(comparisons))(*comparisons)
            )
