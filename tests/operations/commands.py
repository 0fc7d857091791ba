"""Tests the commands of `fanfare` against a node: what they print in a terminal and in a pipe."""

import json
import signal
import subprocess
import sys
import time
import urllib.request

from node import Node, Report, arguments
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


def closed_terminal(options):
    """The end of the terminal ends a server that has no file to reload."""
    settings = [
        f"ws.listen=127.0.0.1:{PORTS + 5}",
        "admin.listen=off",
        f"ingest.pull=tcp://127.0.0.1:{PORTS + 6}",
        f"ingest.router=tcp://127.0.0.1:{PORTS + 7}",
        f"ingest.sub=tcp://127.0.0.1:{PORTS + 8}",
        "drain.period=0s",
    ]
    options_of_serve = [word for setting in settings for word in ("-s", setting)]
    with Terminal([options.fanfare, "serve", *options_of_serve]) as terminal:
        health = f"http://127.0.0.1:{PORTS + 5}/health"
        wait_until_healthy(health, PATIENCE_S)
        terminal.process.send_signal(signal.SIGHUP)
        code, text = terminal.end(PATIENCE_S)
        assert code == 0, (code, text)


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
    report.check("the end of the terminal ends a server without a file", closed_terminal, options)
    return report.failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
