"""Tests `fanfare doctor` and tuning/apply.sh on simulated hosts and on real network settings.

A simulated host is a directory with the files of /proc and /sys that the doctor reads. The real
settings are `net.*` in a separate network namespace. All other kernel settings are global to the
machine, so they are not tested on the real kernel.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

from node import Node, Report, arguments

ROOT = pathlib.Path(__file__).parents[2]
APPLY = ROOT / "tuning/apply.sh"

# Debian 12 after installation, with 4 cores, 16 GiB, a swap partition, and the limits of a systemd
# service.
STOCK = {
    "proc/sys/kernel/osrelease": "6.1.0-28-amd64",
    "proc/sys/fs/nr_open": "1048576",
    "proc/sys/fs/file-max": "9223372036854775807",
    "proc/sys/vm/swappiness": "60",
    "proc/sys/net/core/somaxconn": "4096",
    "proc/sys/net/core/netdev_max_backlog": "1000",
    "proc/sys/net/ipv4/tcp_mem": "190545\t254062\t381090",
    "proc/sys/net/ipv4/tcp_rmem": "4096\t131072\t6291456",
    "proc/sys/net/ipv4/tcp_wmem": "4096\t16384\t4194304",
    "proc/sys/net/ipv4/tcp_slow_start_after_idle": "1",
    "proc/sys/net/ipv4/tcp_syncookies": "1",
    "proc/sys/net/ipv4/tcp_ehash_entries": "131072",
    "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999",
    "proc/sys/net/ipv4/ip_local_reserved_ports": "",
    "proc/meminfo": "MemTotal:       16265804 kB\nMemFree:        15022220 kB\nSwapTotal:        999420 kB",
    "proc/self/cgroup": "0::/system.slice/fanfare.service",
    "proc/self/status": "Name:\tfanfare\nCpus_allowed_list:\t0-3",
    "proc/self/limits": (
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max locked memory         8388608              8388608              bytes     \n"
        "Max open files            1024                 524288               files     "
    ),
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc",
    "sys/devices/system/node/node0/cpulist": "0-3",
    "sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never",
    "etc/sysctl.d/README.sysctl": "Kernel system variables configuration files",
    "etc/security/limits.conf": "# /etc/security/limits.conf",
}

# The settings of that host that are too small for a million connections, and the notes.
TOO_SMALL = {
    "RLIMIT_NOFILE (descriptors)": "blocks",
    "fs.nr_open": "weak",
    "net.core.somaxconn": "weak",
    "net.core.netdev_max_backlog": "weak",
    "net.ipv4.tcp_mem": "weak",
    "vm.swappiness": "weak",
    "memory": "weak",
    "connection table": "note",
    "net.ipv4.tcp_slow_start_after_idle": "note",
    "transparent huge pages": "note",
}


class Host:
    """A simulated host in a temporary directory."""

    def __init__(self, fanfare, changes=None):
        self.fanfare = fanfare
        self.directory = tempfile.TemporaryDirectory(prefix="fanfare-host-")
        self.root = pathlib.Path(self.directory.name)
        for path, text in {**STOCK, **(changes or {})}.items():
            self.write(path, text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.directory.cleanup()

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text + "\n")

    def files(self):
        """Returns the content and the mode of every file."""
        found = (path for path in self.root.rglob("*") if path.is_file())
        return {str(path): (path.read_bytes(), path.stat().st_mode) for path in found}

    def doctor(self, connections, *more):
        """Returns the exit code, and the result of each setting that is not ok."""
        count = ("--connections", str(connections))
        code, out = run(self.fanfare, "doctor", "--root", self.root, "--json", *count, *more)
        page = json.loads(out)
        wrong = {knob["name"]: knob["verdict"] for knob in page["knobs"] if knob["verdict"] != "ok"}
        return code, wrong

    def apply(self, *words):
        """Runs apply.sh. Returns the exit code and the output."""
        return run(APPLY, "--root", self.root, "--fanfare", self.fanfare, *words)

    def log_in(self):
        """Sets the limits of the process to those of the installed file, as a new login does."""
        installed = (self.root / "etc/security/limits.d/60-fanfare.conf").read_text()
        hard = next(line.split()[3] for line in installed.splitlines() if "hard nofile" in line)
        old = STOCK["proc/self/limits"]
        self.write("proc/self/limits", old.replace("524288", hard.ljust(6)))


def run(*command):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode not in (0, 1, 3):
        raise RuntimeError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.returncode, done.stdout


def expect(found, wanted):
    if found != wanted:
        raise AssertionError(f"{found!r} instead of {wanted!r}")


def few(fanfare):
    with Host(fanfare) as host:
        expect(host.doctor(5000), (0, {"net.ipv4.tcp_slow_start_after_idle": "note"}))


def many(fanfare):
    with Host(fanfare) as host:
        expect(host.doctor(1_000_000), (1, TOO_SMALL))
        return f"{len(TOO_SMALL)} found"


def memory(fanfare):
    """The memory includes tcp_mem, and a smaller outbox makes a host of 16 GiB sufficient."""
    with Host(fanfare) as host:
        words = ("doctor", "--root", host.root, "--connections", "1000000", "--json")
        for outbox, verdict, most in ((1 << 20, "weak", "21.8 GiB"), (1 << 18, "ok", "14.5 GiB")):
            size = ("-s", f"ws.outbox={outbox}", "-s", f"ingest.max_payload={outbox}")
            page = json.loads(run(fanfare, *words, *size)[1])
            (found,) = [knob for knob in page["knobs"] if knob["name"] == "memory"]
            expect((found["verdict"], f"{most} with full tcp_mem" in found["wanted"]), (verdict, True))


def default(fanfare):
    """Without --connections, the number comes from the configuration."""
    with Host(fanfare) as host:
        code, out = run(fanfare, "doctor", "--root", host.root, "-s", "ws.max_connections=1000000")
        expect((code, "For 1,000,000 connections on 3 shards" in out), (1, True))
        code, out = run(fanfare, "doctor", "--root", host.root)
        expect((code, "For 10,000 connections" in out), (0, True))


# A change of the standard host, settings of fanfare, and the expected result for 5,000 connections:
# the name of the setting and its verdict.
ODD = [
    ({"proc/sys/kernel/osrelease": "5.10.0-30-amd64"}, [], "kernel", "blocks"),
    ({"proc/sys/kernel/io_uring_disabled": "2"}, [], "kernel.io_uring_disabled", "blocks"),
    ({"proc/sys/kernel/io_uring_disabled": "1"}, [], "kernel.io_uring_disabled", "weak"),
    ({"proc/sys/net/ipv4/tcp_wmem": "1024\t4096\t16384"}, [], "net.ipv4.tcp_wmem", "weak"),
    ({"proc/sys/net/ipv4/tcp_syncookies": "0"}, [], "net.ipv4.tcp_syncookies", "weak"),
    ({"proc/sys/net/core/somaxconn": "128"}, [], "net.core.somaxconn", "weak"),
    ({}, ["-s", "ws.listen=127.0.0.1:40000"], "net.ipv4.ip_local_port_range", "weak"),
    ({}, ["-s", "cpu.shards=4"], "cores", "weak"),
    (
        {"sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet"},
        [],
        "clock",
        "weak",
    ),
    (
        {"sys/fs/cgroup/system.slice/fanfare.service/memory.max": "16777216"},
        [],
        "memory",
        "blocks",
    ),
    (
        {
            "proc/sys/net/netfilter/nf_conntrack_count": "4711",
            "proc/sys/net/netfilter/nf_conntrack_max": "8192",
        },
        [],
        "net.netfilter.nf_conntrack_max",
        "weak",
    ),
    (
        {"sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "powersave"},
        [],
        "frequency governor",
        "note",
    ),
    (
        {
            "sys/devices/system/cpu/cpu1/cpuidle/state3/name": "C6",
            "sys/devices/system/cpu/cpu1/cpuidle/state3/latency": "133",
        },
        [],
        "sleep states",
        "note",
    ),
    (
        {
            "sys/devices/system/node/node0/cpulist": "0-1",
            "sys/devices/system/node/node1/cpulist": "2-3",
        },
        [],
        "NUMA",
        "note",
    ),
    (
        {
            "proc/self/status": "Cpus_allowed_list:\t0-7",
            "proc/irq/42/eth0-Tx-Rx-2/x": "",
            "proc/irq/42/smp_affinity_list": "2",
        },
        [],
        "interrupts",
        "note",
    ),
]


def odd(fanfare):
    for changes, settings, name, verdict in ODD:
        with Host(fanfare, changes) as host:
            code, wrong = host.doctor(5000, *settings)
            expect((code, wrong.get(name)), (int(verdict == "blocks"), verdict))
    # Two remedies: reserved ports, and huge pages that are disabled for the process.
    with Host(fanfare, {"proc/sys/net/ipv4/ip_local_reserved_ports": "39990-40010"}) as host:
        code, wrong = host.doctor(5000, "-s", "ws.listen=127.0.0.1:40000")
        expect("net.ipv4.ip_local_port_range" in wrong, False)
    with Host(fanfare, {"proc/self/status": "THP_enabled:\t0\nCpus_allowed_list:\t0-3"}) as host:
        expect("transparent huge pages" in host.doctor(1_000_000)[1], False)
    return f"{len(ODD)} hosts"


def running(fanfare, log):
    """With --pid, the limits and cores are those of the server, and its ports are not in conflict."""
    with Node(fanfare, log, 18380) as node:
        code, out = run(fanfare, "doctor", "--connections", "1", "--pid", node.pid)
        expect((code, "ws.listen" in out, f"pid {node.pid}" in out), (0, False, False))
        before = next(line for line in out.splitlines() if "RLIMIT_NOFILE" in line)
        run("prlimit", f"--pid={node.pid}", "--nofile=700:700")
        code, out = run(fanfare, "doctor", "--connections", "1000", "--pid", node.pid)
        after = next(line for line in out.splitlines() if "RLIMIT_NOFILE" in line)
        expect((code, after.split()[0], "hard 700" in after, before == after), (1, "FAIL", True, False))
    gone = subprocess.run(
        [fanfare, "doctor", "--pid", str(node.pid)], capture_output=True, check=False, timeout=30
    )
    expect(gone.returncode, 2)


def applied(fanfare):
    with Host(fanfare) as host:
        before = host.files()
        code, shown = host.apply("--connections", "1000000")
        expect((code, host.files()), (3, before))
        for line in ("net.core.somaxconn: 4096 -> 65535", "+fs.nr_open = 2097152"):
            expect((line, line in shown), (line, True))

        expect(host.apply("--connections", "1000000", "--yes")[0], 0)
        host.log_in()
        left = ("transparent huge pages", "connection table", "memory")
        expect(host.doctor(1_000_000), (0, {name: TOO_SMALL[name] for name in left}))
        after = host.files()
        expect(host.apply("--connections", "1000000", "--yes"), (0, "Nothing to change.\n"))
        expect(host.files(), after)

        # With fewer connections, the values in the file are set again, and undo still restores the
        # original values.
        expect(host.apply("--connections", "100000", "--yes")[0], 0)
        expect(host.doctor(100_000)[0], 0)
        expect((host.root / "proc/sys/net/core/somaxconn").read_text(), "8192\n")

        host.write("proc/self/limits", STOCK["proc/self/limits"])
        expect((host.apply("undo")[0], host.apply("undo", "--yes")[0]), (3, 0))
        expect(host.files(), before)
        expect(host.apply("undo", "--yes"), (0, "Nothing to undo.\n"))


def replaced(fanfare):
    """Undo restores files of the operator, and larger values are never reduced."""
    own = {
        "etc/sysctl.d/60-fanfare.conf": "# By hand.\nvm.swappiness = 10",
        "proc/sys/net/core/somaxconn": "131072",
        "proc/sys/net/ipv4/tcp_mem": "2000000\t1000\t1000",
    }
    with Host(fanfare, own) as host:
        before = host.files()
        expect(host.apply("--connections", "1000000", "--yes")[0], 0)
        expect((host.root / "proc/sys/net/core/somaxconn").read_text(), "131072\n")
        kept = (host.root / "proc/sys/net/ipv4/tcp_mem").read_text().split()
        expect((kept[0], int(kept[1]) > 1000), ("2000000", True))
        expect(host.apply("undo", "--yes")[0], 0)
        expect(host.files(), before)


# Runs in a network namespace, whose settings replace those of the simulated host.
REAL = """
set -e
mount --bind /proc/sys/net "$1/proc/sys/net"
all() { cd "$1/proc/sys/net" && grep -rs . core ipv4/tcp_* ipv4/ip_local*; }
all "$1" >"$2/before"
if "$3" --root "$1" --fanfare "$4" --connections 1000000; then exit 1; fi
"$3" --root "$1" --fanfare "$4" --connections 1000000 --yes
all "$1" >"$2/after"
"$4" doctor --root "$1" --connections 1000000 --json >"$2/doctor.json" || true
"$3" --root "$1" --fanfare "$4" --connections 1000000 --yes >"$2/again"
mount -o remount,bind,ro "$1/proc/sys/net"
if "$3" --root "$1" --fanfare "$4" undo --yes; then exit 1; fi
mount -o remount,bind,rw "$1/proc/sys/net"
"$3" --root "$1" --fanfare "$4" undo --yes
all "$1" >"$2/undone"
"""


def real(fanfare, logs):
    with Host(fanfare) as host:
        log = subprocess.run(
            ["unshare", "-nm", "bash", "-c", REAL, "bash", host.root, logs, APPLY, fanfare],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        expect((log.returncode, log.stdout + log.stderr if log.returncode else ""), (0, ""))
    before, after, undone = ((logs / name).read_text() for name in ("before", "after", "undone"))
    expect(undone, before)
    lines = set(after.splitlines()) - set(before.splitlines())
    changed = sorted(line.split(":")[0] for line in lines)
    expect(changed, ["core/somaxconn", "ipv4/tcp_slow_start_after_idle"])
    knobs = {knob["name"]: knob for knob in json.loads((logs / "doctor.json").read_text())["knobs"]}
    for name in ("net.core.somaxconn", "net.ipv4.tcp_slow_start_after_idle"):
        expect((name, knobs[name]["verdict"]), (name, "ok"))
    expect((logs / "again").read_text(), "Nothing to change.\n")
    return "net.core.somaxconn, net.ipv4.tcp_slow_start_after_idle"


def checked():
    scripts = sorted([*ROOT.glob("tuning/**/*.sh"), *ROOT.glob("tests/**/*.sh")])
    expect(len(scripts) > 1, True)
    done = subprocess.run(
        ["shellcheck", *map(str, scripts)], capture_output=True, text=True, timeout=60, check=False
    )
    expect((done.returncode, done.stdout), (0, ""))
    return f"{len(scripts)} scripts"


def main():
    given = arguments("tuning")
    fanfare = pathlib.Path(given.fanfare).resolve()
    report = Report("tuning")
    report.check("a standard host is sufficient for 5,000 connections", few, fanfare)
    report.check("the settings that are too small for 1,000,000 connections are found", many, fanfare)
    report.check("the memory includes tcp_mem", memory, fanfare)
    report.check("the number of connections comes from the configuration", default, fanfare)
    report.check("unusual hosts", odd, fanfare)
    report.check("limits of a running server", running, fanfare, given.logs / "running.log")
    report.check("apply.sh changes what the doctor reports, and undo restores it", applied, fanfare)
    report.check("files of the operator and larger values are kept", replaced, fanfare)
    may_unshare = subprocess.run(
        ["unshare", "-nm", "mount", "--bind", "/proc/sys/net", "/proc/sys/net"],
        capture_output=True,
        check=False,
    )
    if may_unshare.returncode:
        report.skip("real network settings: a network namespace is not permitted")
    else:
        report.check("apply and undo on real network settings", real, fanfare, given.logs.resolve())
    if shutil.which("shellcheck"):
        report.check("shellcheck accepts the scripts", checked)
    else:
        report.skip("shellcheck: not installed")
    sys.exit(bool(report.failed))


if __name__ == "__main__":
    main()
