"""Tests the commands of `fanfare` against a node: what they print in a terminal and in a pipe."""

import json
import subprocess
import sys

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


def main():
    options = arguments("commands")
    report = Report("commands")
    with Node(options.fanfare, options.logs / "node.log", PORTS, {"cpu.shards": "1"}) as node:
        report.check("subscribe escapes control characters in a terminal", in_terminal, options, node)
        report.check("subscribe prints payloads unchanged in a pipe", in_pipe, options, node)
    return report.failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
