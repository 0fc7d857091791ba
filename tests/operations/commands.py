"""Tests the commands of `fanfare` against a node: what they print in a terminal and in a pipe."""

import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

from node import Node, Report, arguments, raw
from terminal import Terminal

PORTS = 18230
PATIENCE_S = 15
TOPIC = "news"
# The controls of C0 are escaped in JSON. Those of C1, DEL and overrides of the direction are not.
TEXT = "\x1b]0;title\x07 \x9b2J\x9d \x7f \u202egnp.exe é 日本"
PAYLOAD = json.dumps(TEXT, ensure_ascii=False).encode()
ESCAPED = PAYLOAD.decode()
for character in "\x9b\x9d\x7f\u202e":
    ESCAPED = ESCAPED.replace(character, "\\u%04x" % ord(character))


def subscribe(options, node):
    url = f"ws://{node.ws}/connection/websocket"
    return [options.fanfare, "subscribe", TOPIC, "--url", url, "--count", "1", "--topics"]


def publish(options, node):
    command = [options.fanfare, "publish", TOPIC, "-", "--to", node.router]
    done = subprocess.run(command, input=PAYLOAD, capture_output=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stdout) == (0, b"ok\n"), done


def in_terminal(options, node):
    """Control characters are escaped, and the line is still the same JSON."""
    with Terminal(subscribe(options, node)) as terminal:
        assert terminal.process.stderr.readline() == f"fanfare: subscribed to {TOPIC}\n".encode()
        publish(options, node)
        assert terminal.end() == (0, "")
        topic, data = terminal.output.removesuffix("\r\n").split("\t")
        assert (topic, data) == (TOPIC, ESCAPED), terminal.output
        assert json.loads(data) == TEXT


def in_pipe(options, node):
    ends = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with subprocess.Popen(subscribe(options, node), **ends) as process:
        assert process.stderr.readline().startswith(b"fanfare: subscribed")
        publish(options, node)
        out, _ = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out) == (0, f"{TOPIC}\t".encode() + PAYLOAD + b"\n"), out


def serve():
    """Returns the arguments of a server without a configuration file, and its address."""
    settings = [
        f"ws.listen=127.0.0.1:{PORTS + 5}",
        "admin.listen=off",
        f"ingest.pull=tcp://127.0.0.1:{PORTS + 6}",
        f"ingest.router=tcp://127.0.0.1:{PORTS + 7}",
        f"ingest.sub=tcp://127.0.0.1:{PORTS + 8}",
        "drain.period=0s",
        "cpu.shards=1",
    ]
    arguments_of_serve = [word for setting in settings for word in ("-s", setting)]
    return ["serve", *arguments_of_serve], f"127.0.0.1:{PORTS + 5}"


def hangup(options):
    """SIGHUP ends a server that was started in a terminal and has no file to reload."""
    command, ws = serve()
    with Terminal([options.fanfare, *command]) as terminal:
        wait_until_healthy(f"http://{ws}/health", PATIENCE_S)
        terminal.process.send_signal(signal.SIGHUP)
        code, text = terminal.end(PATIENCE_S)
        assert code == 0, (code, text)


class Job:
    """A server in the foreground of an interactive shell, as in a terminal window. `trap` is the
    reaction to SIGHUP of the script that starts it."""

    def __init__(self, options, trap):
        self.directory = tempfile.TemporaryDirectory()
        self.log, self.code, self.pid = (
            pathlib.Path(self.directory.name) / name for name in ("log", "code", "pid")
        )
        command, self.ws = serve()
        words = shlex.join([str(options.fanfare), *command])
        script = pathlib.Path(self.directory.name) / "script"
        script.write_text(
            f"trap {trap} HUP\n"
            f"sh -c 'echo $$ >{self.pid}; exec \"$@\"' sh {words} >/dev/null 2>{self.log}\n"
            f"echo $? >{self.code}\n"
        )
        self.terminal = Terminal(["bash", "--norc", "-i"], controlling=True)
        self.terminal.type(f"sh {script}\n")

    def __enter__(self):
        wait_until_healthy(f"http://{self.ws}/health", PATIENCE_S)
        return self

    def __exit__(self, *_):
        if self.is_running():
            os.kill(int(self.pid.read_text()), signal.SIGKILL)
        self.terminal.__exit__()
        self.directory.cleanup()

    def is_running(self):
        return self.pid.exists() and not self.code.exists()

    def await_text(self, path, text=""):
        deadline = time.monotonic() + PATIENCE_S
        while not (path.exists() and path.read_text().endswith("\n") and text in path.read_text()):
            assert time.monotonic() < deadline, (text, self.log.read_text())
            time.sleep(0.05)
        return path.read_text().strip()


def closed_terminal(options):
    """The end of the terminal drains a server without a file. The kernel and the shell send SIGHUP
    to it, one after the other."""
    with Job(options, trap=":") as job:
        client = raw(job.ws)
        job.terminal.hang_up()
        client.settimeout(PATIENCE_S)
        closing = client.recv(4096)
        assert closing[:1] == b"\x88", closing
        # As long as the client does not answer, the drain goes on.
        assert job.terminal.process.wait(PATIENCE_S) is not None
        job.await_text(job.log, "SIGHUP is ignored during a drain")
        client.close()
        code = job.await_text(job.code)
        assert code == "0", (code, job.log.read_text())


def ignored_hangup(options):
    """A server that is started with SIGHUP ignored, as by nohup, outlives its terminal."""
    with Job(options, trap="''") as job:
        job.terminal.hang_up()
        assert job.terminal.process.wait(PATIENCE_S) is not None
        job.await_text(job.log, "SIGHUP is ignored, because")
        raw(job.ws).close()
        os.kill(int(job.pid.read_text()), signal.SIGTERM)
        code = job.await_text(job.code)
        assert code == "0", (code, job.log.read_text())


def wait_until_healthy(url, timeout_s):
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                return answer.read()
        except OSError:
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.05)


def main():
    options = arguments("commands")
    report = Report("commands")
    with Node(options.fanfare, options.logs / "node.log", PORTS, {"cpu.shards": "1"}) as node:
        report.check("subscribe escapes control characters in a terminal", in_terminal, options, node)
        report.check("subscribe prints payloads unchanged in a pipe", in_pipe, options, node)
    report.check("SIGHUP ends a server without a file in a terminal", hangup, options)
    report.check("the end of the terminal drains a server without a file", closed_terminal, options)
    report.check("a server that ignores SIGHUP outlives its terminal", ignored_hangup, options)
    return report.failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
