"""Checks what docs/TUNING.md states about the kernel: which counter shows a full queue, when cookies
are sent, and how large the connection table is. Everything runs in a network namespace."""

import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys

from node import Report, arguments, until

PAGE = pathlib.Path(__file__).parents[2] / "docs/TUNING.md"
BACKLOG, CLIENTS = 4, 40
SERVER = "10.8.0.1"
# Addresses that never answer a SYN-ACK: the kernel receives it on the loopback interface, and they
# are not its own.
SILENT = "10.9.0"
BUCKETS_MAX, BYTES_PER_BUCKET = 512 * 1024, 128 * 1024


def counters():
    """Returns the extended TCP counters, which nstat prints with the prefix TcpExt."""
    lines = pathlib.Path("/proc/self/net/netstat").read_text().splitlines()
    pairs = zip(lines[0].split()[1:], lines[1].split()[1:])
    return {name: int(value) for name, value in pairs}


def grown(before, name):
    return counters()[name] - before[name]


def listener(port):
    server = socket.socket()
    server.bind((SERVER, port))
    server.listen(BACKLOG)
    return server


def full_accept_queue():
    """SYNs that find the accept queue full are dropped and counted. No cookie is sent."""
    before = counters()
    with listener(8000):
        clients = [socket.socket() for _ in range(CLIENTS)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex((SERVER, 8000))
        until(lambda: grown(before, "ListenOverflows") >= CLIENTS - 2 * BACKLOG, 5, "ListenOverflows")
        found = {name: grown(before, name) for name in ("ListenOverflows", "ListenDrops", "SyncookiesSent")}
        for client in clients:
            client.close()
    assert found["SyncookiesSent"] == 0 and found["ListenDrops"] >= found["ListenOverflows"], found
    return f"{found}"


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn(source, port):
    """Returns an IPv4 packet with a SYN to the server."""
    ends = socket.inet_aton(source) + socket.inet_aton(SERVER)
    segment = struct.pack("!HHIIBBHHH", 1024, port, 1, 0, 5 << 4, 2, 1024, 0, 0)
    check = checksum(ends + struct.pack("!BBH", 0, 6, len(segment)) + segment)
    segment = segment[:16] + struct.pack("!H", check) + segment[18:]
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, 6, 0) + ends + segment


def half_open():
    """When there are more half-open connections than places in the accept queue, cookies are sent."""
    before = counters()
    with listener(8001), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for number in range(1, CLIENTS + 1):
            raw.sendto(syn(f"{SILENT}.{number}", 8001), (SERVER, 0))
        until(lambda: grown(before, "SyncookiesSent") >= CLIENTS - 2 * BACKLOG, 5, "SyncookiesSent")
    return f"{grown(before, 'SyncookiesSent')} cookies for {CLIENTS} half-open connections"


def buckets(memory_bytes):
    """Returns the size of the connection table: a bucket for each 128 KiB, as a power of two."""
    wanted = -(-memory_bytes // BYTES_PER_BUCKET)
    return min(1 << (wanted - 1).bit_length(), BUCKETS_MAX)


def connection_table():
    """The kernel has the number of buckets that the formula of the page gives, and so has each row."""
    memory = re.search(r"MemTotal: +(\d+) kB", pathlib.Path("/proc/meminfo").read_text())
    found = abs(int(pathlib.Path("/proc/sys/net/ipv4/tcp_ehash_entries").read_text()))
    if "thash_entries" not in pathlib.Path("/proc/cmdline").read_text():
        assert found == buckets(int(memory[1]) * 1024), (found, memory[0])
    rows = re.findall(r"(?m)^\| (\d+) GiB.*? \| ([\d,]+) \| ([\d.]+) \|$", PAGE.read_text())
    assert len(rows) == 4, rows
    for gib, table, chain in rows:
        wanted = buckets(int(gib) << 30)
        assert int(table.replace(",", "")) == wanted, (gib, table)
        assert f"{1_000_000 / wanted:.1f}" == chain, (gib, chain)
    return f"{found} buckets with {memory[1]} kB"


def main():
    arguments("kernel")
    report = Report("kernel")
    if os.environ.get("FANFARE_KERNEL") != "inside":
        if not shutil.which("ip"):
            return report.skip("ip is not installed (apt install iproute2)")
        if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode:
            return report.skip("a network namespace is not permitted")
        environment = {**os.environ, "FANFARE_KERNEL": "inside"}
        command = ["unshare", "--net", sys.executable, *sys.argv]
        return subprocess.run(command, env=environment, timeout=60).returncode
    for words in (
        ["link", "set", "lo", "up"],
        ["address", "add", f"{SERVER}/32", "dev", "lo"],
        ["route", "add", f"{SILENT}.0/24", "dev", "lo"],
    ):
        subprocess.run(["ip", *words], check=True)
    for interface in ("all", "lo"):
        pathlib.Path(f"/proc/sys/net/ipv4/conf/{interface}/rp_filter").write_text("0")
    report.check("a full accept queue drops SYNs and sends no cookie", full_accept_queue)
    report.check("half-open connections beyond the queue get cookies", half_open)
    report.check("the connection table has the size that the page states", connection_table)
    return report.failed > 0


if __name__ == "__main__":
    sys.exit(main())
