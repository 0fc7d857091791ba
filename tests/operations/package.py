"""Builds the Debian package, installs it, starts the service according to its unit, reloads it, stops
it and purges the package.

Everything runs in a separate root directory: an overlay over the root of this machine, in a mount
namespace. The overlay disappears with the namespace, and nothing outside of it changes. The service
runs as systemd would start it, with the unit's ExecStart, user, limits, system call filter and
address families, and without new privileges, capabilities, and writable and executable memory.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import probe
from node import Report, arguments, until
from sandbox import Sandbox
from tuning import STOCK
from watchdog import Manager

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
UNIT = REPOSITORY / "tuning/systemd/fanfare.service"
PORTS = 18360
# The highest allowed result of `systemd-analyze security`, of 10. It rates units below 2 as OK.
EXPOSURE = 1.5
# Exit code of the part in the separate root when one of its checks failed and was reported.
CHECK_FAILED = 3


def run(*command, **options):
    """Runs a command and returns its output. Raises RuntimeError with the output if it fails."""
    ended = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240, **options
    )
    if ended.returncode:
        raise RuntimeError(f"{command[0]} ended with {ended.returncode}:\n{ended.stdout}")
    return ended.stdout


def verified():
    """systemd accepts the unit, except for programs that are not installed here."""
    ended = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", UNIT], capture_output=True, text=True, timeout=60
    )
    faults = [
        line
        for line in ended.stderr.splitlines()
        if "fanfare" in line and "is not executable: No such file" not in line
    ]
    assert not faults, faults


def hardened():
    output = run("systemd-analyze", "security", "--offline=true", f"--threshold={int(EXPOSURE * 10)}", UNIT)
    (score,) = re.findall(r"Overall exposure level.*: ([\d.]+) ", output)
    assert float(score) <= EXPOSURE, output
    return f"exposure {score} of 10"


def build(cargo_deb, given):
    """Builds the package from the binary under test, without compiling."""
    target = given.logs / "target"
    shutil.rmtree(target, ignore_errors=True)
    (target / "release").mkdir(parents=True)
    for name in ("fanfare", "fanfare-bench"):
        shutil.copy2(pathlib.Path(given.fanfare).with_name(name), target / "release" / name)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target.resolve())}
    output = given.logs.resolve() / "fanfare.deb"
    # The package with debug symbols is not tested, and building it takes time.
    command = (cargo_deb, "--no-build", "--locked", "--strip", "--no-dbgsym", "--output", output)
    print(run(*command, cwd=REPOSITORY, env=environment))
    shutil.rmtree(target)


def linted(package):
    ended = subprocess.run(
        ["lintian", "--fail-on", "error", package], capture_output=True, text=True, timeout=120
    )
    print(ended.stdout)
    assert ended.returncode == 0, ended.stdout


def completions():
    """bash can load the completion script and completes a command with it."""
    script = REPOSITORY / "tuning/completions/fanfare.bash"
    output = run(
        "bash",
        "-c",
        f'. {script}; COMP_WORDS=(fanfare se); COMP_CWORD=1; _fanfare fanfare se fanfare; '
        'echo "${COMPREPLY[*]}"',
    )
    assert output.strip() == "serve", output


def dockerfile():
    run("docker", "build", "--check", "-f", "tuning/docker/Dockerfile", ".", cwd=REPOSITORY)


def upgrade_and_receive(address, topic, publish):
    """Connects a raw client, calls `publish()`, and returns the first message of the client."""
    import websockets.sync.client

    url = f"ws://{address}/raw?topic={topic}"
    with websockets.sync.client.connect(url, compression=None) as client:
        publish()
        return client.recv(timeout=10)


# ---- in the separate root -------------------------------------------------------------------


def enter(given):
    """Runs this program again as root in a mount namespace. Its output lines are checks too."""
    command = [sys.executable, __file__, "--fanfare", given.fanfare]
    command += ["--tools", str(given.tools.resolve()), "--logs", str(given.logs.resolve())]
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", *command]
    if os.geteuid():
        command = ["sudo", "-n", *command]
    environment = {**os.environ, "FANFARE_PACKAGE_ROOT": "inside"}
    return subprocess.run(command, env=environment, timeout=240).returncode


def make_root(place):
    """Mounts a copy-on-write image of this machine at `place`/root."""
    place.mkdir(parents=True, exist_ok=True)
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "tmpfs", place)
    for name in ("changes", "work", "root"):
        (place / name).mkdir()
    options = f"lowerdir=/,upperdir={place}/changes,workdir={place}/work"
    run("mount", "-t", "overlay", "overlay", "-o", options, place / "root")
    run("mount", "-t", "proc", "proc", place / "root/proc")
    run("mount", "-t", "tmpfs", "tmpfs", place / "root/run")
    for folder in ("dev", "sys"):
        run("mount", "--bind", f"/{folder}", place / "root" / folder)
    # As in a container build, packages must not start services.
    (place / "root/usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (place / "root/usr/sbin/policy-rc.d").chmod(0o755)
    return place / "root"


def snapshot(changes):
    """Returns every path that differs from the machine, except for files of dpkg and logs."""
    own = ("var/lib/dpkg", "var/log", "var/cache", "run")
    paths = (str(path.relative_to(changes)) for path in changes.rglob("*"))
    return {path for path in paths if not path.startswith(own)}


def install(root, package):
    shutil.copy2(package, root / "fanfare.deb")
    print(run("chroot", root, "dpkg", "--install", "/fanfare.deb"))
    (root / "fanfare.deb").unlink()
    config = root / "etc/fanfare/fanfare.toml"
    mode = config.stat().st_mode & 0o777
    with_group = (root / "etc/group").read_text()
    (number,) = re.findall(r"^fanfare:x:(\d+):", with_group, re.MULTILINE)
    assert mode == 0o640 and config.stat().st_gid == int(number), (oct(mode), number)
    enabled = root / "etc/systemd/system/multi-user.target.wants/fanfare.service"
    assert enabled.is_symlink(), "the unit is enabled"
    output = run("chroot", root, "fanfare", "check", "-c", "/etc/fanfare/fanfare.toml")
    assert output == "/etc/fanfare/fanfare.toml: ok\n", output
    assert run("chroot", root, "fanfare-bench", "--version").startswith("fanfare-bench ")
    assert "SIGHUP" in run("chroot", root, "man", "fanfare") or not shutil.which("man")


class Service:
    """Runs the installed unit as systemd would, with an edited configuration."""

    def __init__(self, root, log_path):
        self.root, self.log_path = root, log_path
        self.unit = (root / "usr/lib/systemd/system/fanfare.service").read_text()
        self.address = f"127.0.0.1:{PORTS}"
        self.config = root / "etc/fanfare/fanfare.toml"
        self.edit("listen", "127.0.0.1:8000", self.address)
        self.edit("listen", "127.0.0.1:8001", f"127.0.0.1:{PORTS + 1}")
        for number, name in enumerate(("pull", "sub", "router"), 2):
            port = {"pull": 5560, "sub": 5562, "router": 5563}[name]
            local = "tcp://127.0.0.1"
            self.edit(name, [f"{local}:{port}"], [f"{local}:{PORTS + number}", f"ipc:///run/fanfare/{name}"])
        self.edit("period", "10s", "1s")
        self.process = None

    def edit(self, key, old, new):
        text = self.config.read_text()
        line = f"#{key} = {json.dumps(old)}\n"
        assert text.count(line) == 1, line
        self.config.write_text(text.replace(line, f"{key} = {json.dumps(new)}\n"))

    def values(self, key):
        """Returns all values of `key` in the unit."""
        return re.findall(rf"^{key}=(.*)$", self.unit, re.MULTILINE)

    def start(self):
        (command,) = self.values("ExecStart")
        sandbox = Sandbox(self.root, self.values)
        sandbox.make_runtime_directory()
        self.manager = Manager(self.root / "run")
        (self.root / "run/notify").chmod(0o666)
        environment = {**self.manager.environment(), "NOTIFY_SOCKET": "/run/notify"}
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                command.split(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                preexec_fn=sandbox.enter,
            )
        until(self.is_ready, 15, "READY=1")

    def probe(self):
        """Returns the errors of the calls in probe.py under the restrictions of the unit."""
        ended = subprocess.run(
            ["/usr/bin/python3", "-c", probe.program()],
            capture_output=True,
            text=True,
            timeout=30,
            preexec_fn=Sandbox(self.root, self.values).enter,
        )
        return json.loads(ended.stdout)

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"ended with {self.process.returncode}: {self.log_path.read_text()}")
        return self.manager.times("READY=1")

    def status(self):
        """Returns the status of the process from /proc."""
        text = (self.root / f"proc/{self.process.pid}/status").read_text()
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def started(service):
    service.start()
    status = service.status()
    assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1", status
    assert status["CapBnd"].strip("0") == "" and status["CapEff"].strip("0") == "", status
    assert not status["Uid"].startswith("0\t"), status["Uid"]
    service.manager.next("WATCHDOG=1")


def confined(service):
    """Under the restrictions of the unit, calls that fanfare does not need fail."""
    needed = {*probe.NEEDED, "process", "NETFILTER"}  # AF_NETLINK as a whole is allowed.
    errors = service.probe()
    wrong = {name: error for name, error in errors.items() if (error == 0) != (name in needed)}
    assert not wrong, wrong
    return f"{len(errors) - len(needed)} fail"


def container_health(service):
    """Runs the health check of the Dockerfile."""
    text = (REPOSITORY / "tuning/docker/Dockerfile").read_text().replace("\\\n", "")
    command = json.loads(re.search(r"HEALTHCHECK .*CMD (\[.*\])", text)[1])
    command[-1] = command[-1].replace("/127.0.0.1/8000", f"/127.0.0.1/{PORTS}")
    run(*command)
    without_server = [*command[:-1], command[-1].replace(str(PORTS), str(PORTS + 9))]
    assert subprocess.run(without_server, capture_output=True).returncode, "healthy without a server"


def published(service):
    for endpoint in (f"tcp://127.0.0.1:{PORTS + 4}", "ipc:///run/fanfare/router"):

        def publish(endpoint=endpoint):
            run("chroot", service.root, "fanfare", "publish", "--to", endpoint, "news", '"hello"')

        assert upgrade_and_receive(service.address, "news", publish) == '"hello"', endpoint


def reloaded(service):
    """Runs both lines of ExecReload: the check, then the signal."""
    check, kill = service.values("ExecReload")
    service.edit("max_topics", 128, 7)
    run("chroot", service.root, *check.split())
    assert kill == "/bin/kill -HUP $MAINPID", kill
    service.process.send_signal(signal.SIGHUP)
    text = "reload changed=ws.max_topics"
    until(lambda: text in re.sub(r"\x1b\[[0-9;]*m", "", service.log_path.read_text()), 5, text)


def stopped(service):
    since = time.monotonic()
    service.process.send_signal(signal.SIGTERM)
    code = service.process.wait(20)
    assert code == 0, f"{code}: {service.log_path.read_text()}"
    return f"{time.monotonic() - since:.1f} s"


class Settings:
    """Kernel settings of Debian 12 in place of those of this machine, and apply.sh."""

    def __init__(self, root):
        self.root, self.sys = root, root / "proc/sys"
        self.script = root / "var/lib/fanfare/tuning/apply.sh"
        self.installed = [root / "etc/sysctl.d/60-fanfare.conf", root / "etc/security/limits.d/60-fanfare.conf"]

    def __enter__(self):
        run("mount", "-t", "tmpfs", "tmpfs", self.sys)
        for path, value in STOCK.items():
            if path.startswith("proc/sys/"):
                (self.root / path).parent.mkdir(parents=True, exist_ok=True)
                (self.root / path).write_text(value + "\n")
        self.before = self.values()
        return self

    def __exit__(self, *_):
        run("umount", self.sys)

    def values(self):
        return {path: path.read_text() for path in self.sys.rglob("*") if path.is_file()}

    def apply(self):
        script = "/usr/share/fanfare/tuning/apply.sh"
        run("chroot", self.root, script, "--connections", "1000000", "--yes")
        assert self.values() != self.before and all(path.exists() for path in self.installed)

    def are_restored(self):
        return self.values() == self.before and not any(path.exists() for path in self.installed)


def undone(root, package):
    """Removing the package keeps the settings of apply.sh, and a purge restores the previous ones."""
    with Settings(root) as settings:
        settings.apply()
        output = run("chroot", root, "dpkg", "--remove", "fanfare")
        assert "settings of the host that apply.sh made remain" in output, output
        assert settings.values() != settings.before and settings.script.exists()
        print(run("chroot", root, "dpkg", "--purge", "fanfare"))
        assert settings.are_restored() and not settings.script.exists()

    # In a container that may not change settings, the purge succeeds and names what remains.
    install(root, package)
    with Settings(root) as settings:
        settings.apply()
        run("mount", "-o", "remount,ro", settings.sys)
        output = run("chroot", root, "dpkg", "--purge", "fanfare")
        (command,) = re.findall("To try again: (.*)", output)
        run("mount", "-o", "remount,rw", settings.sys)
        assert not any(path.exists() for path in settings.installed), "the files are removed"
        run("chroot", root, *command.split())
        assert settings.are_restored()
    install(root, package)


def purged(root, before):
    run("chroot", root, "dpkg", "--purge", "fanfare")
    left = snapshot(root.parent / "changes") - before
    users = {f"etc/{name}{more}" for name in ("passwd", "group", "shadow", "gshadow") for more in ("", "-")}
    users |= {"etc/subuid", "etc/subgid", "etc/.pwd.lock"}  # Debian packages keep their users.
    left = {path for path in left - users if not path_is_shared(root, path)}
    assert not left, sorted(left)


def path_is_shared(root, path):
    """Returns whether a directory existed before. The overlay lists it because a file in it changed."""
    return (root / path).is_dir() and pathlib.Path("/", path).is_dir()


def inside(given, report):
    try:
        root = make_root(given.logs.resolve() / "overlay")
    except RuntimeError as error:
        return report.skip(f"no overlay can be mounted here: {error}")
    before = snapshot(root.parent / "changes")
    report.check("dpkg installs the package", install, root, given.logs / "fanfare.deb")
    service = Service(root, given.logs.resolve() / "service.log")
    try:
        report.check("the service starts with the restrictions of its unit", started, service)
        report.check("namespaces and other address families fail under the unit", confined, service)
        report.check("the health check of the container works", container_health, service)
        report.check("publications over TCP and ipc are delivered", published, service)
        report.check("a reload applies a changed key", reloaded, service)
        report.check("the service stops with code 0", stopped, service)
    finally:
        if service.process and service.process.poll() is None:
            service.process.kill()
            service.process.wait()
    report.check("a purge undoes apply.sh", undone, root, given.logs / "fanfare.deb")
    report.check("a purge removes everything except the user", purged, root, before)
    return CHECK_FAILED if report.failed else 0


def main():
    given, report = arguments("package"), Report("package")
    if os.environ.get("FANFARE_PACKAGE_ROOT") == "inside":
        return inside(given, report)
    if shutil.which("systemd-analyze"):
        report.check("systemd-analyze verify", verified)
        report.check("systemd-analyze security", hardened)
    else:
        report.skip("systemd-analyze: not installed (apt install systemd)")
    report.check("bash completes commands", completions)
    if shutil.which("docker") and not subprocess.run(["docker", "info"], capture_output=True).returncode:
        report.check("docker build --check", dockerfile)
    else:
        report.skip("docker build --check: no Docker daemon")
    path = f"{given.tools / 'cargo/bin'}:{os.environ['PATH']}"
    if not (cargo_deb := shutil.which("cargo-deb", path=path)):
        report.skip("cargo deb: not installed (tests/run.sh operations installs it)")
        return 1 if report.failed else 0
    report.check("cargo deb", build, cargo_deb, given)
    package = given.logs / "fanfare.deb"
    if not package.exists():
        return 1
    if shutil.which("lintian"):
        report.check("lintian", linted, package)
    else:
        report.skip("lintian: not installed (apt install lintian)")
    if os.geteuid() and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode:
        report.skip("install: a separate root directory requires root privileges")
        return 1 if report.failed else 0
    code = enter(given)
    if code not in (0, CHECK_FAILED):
        print(f"not ok package: the part in the separate root ended with {code}")
    return 1 if code or report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
