"""Tokens, expiry and permissions with published SDKs.

    access.py --fanfare BINARY --tools DIR --logs DIR

centrifuge-python runs in this process; access.mjs does the same with centrifuge (npm) in Node. The
tokens are made with the standard library. Prints one line per check, as run.py does.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import centrifuge
from scenario import same, until
from server import Addresses, Server

HERE = pathlib.Path(__file__).parent
CONFIG = HERE / "access.toml"
AT = Addresses(CONFIG)
SECRET = "a secret of tests with at least 32 bytes"
NODE_TIMEOUT_S = 120


def token(claims, secret=SECRET):
    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    head = json.dumps({"alg": "HS256", "typ": "JWT"}).encode()
    signed = part(head) + b"." + part(json.dumps(claims).encode())
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + part(signature)).decode()


def ann(**claims):
    return token({"sub": "ann", **claims})


def now():
    return int(time.time())


class Session(centrifuge.ClientEventHandler):
    """A client that records what happens to it. `make` returns the token of each fetch."""

    def __init__(self, protobuf, make):
        self.protobuf, self.make = protobuf, make
        self.fetched, self.connected, self.codes, self.got = 0, 0, [], []
        self.client = centrifuge.Client(
            AT.client, events=self, get_token=self.fetch, use_protobuf=protobuf, proxy=None
        )

    async def fetch(self):
        self.fetched += 1
        return self.make(self.fetched)

    async def __aenter__(self):
        await self.client.connect()
        return self

    async def __aexit__(self, *_):
        await self.client.disconnect()

    async def on_connected(self, ctx):
        self.connected += 1

    async def on_disconnected(self, ctx):
        self.codes.append(ctx.code)

    async def on_publication(self, ctx):
        self.got.append(self.decoded(ctx.pub.data))

    def decoded(self, data):
        return json.loads(data) if self.protobuf else data

    def encoded(self, data):
        return json.dumps(data).encode() if self.protobuf else data

    async def is_connected(self):
        await until(lambda: self.connected, "connected")

    async def subscribe(self, topic, make=None):
        subscription = Topic(self, topic, make)
        await subscription.subscription.subscribe()
        return subscription

    async def publish_code(self, topic):
        """Returns 0, or the code of the error."""
        try:
            await self.client.publish(topic, self.encoded(1))
            return 0
        except centrifuge.ReplyError as error:
            return error.code


class Topic(centrifuge.SubscriptionEventHandler):
    def __init__(self, session, topic, make):
        self.session, self.make = session, make
        self.fetched, self.subscribed, self.codes, self.got = 0, 0, [], []
        options = {"get_token": self.fetch} if make else {}
        self.subscription = session.client.new_subscription(topic, events=self, **options)

    async def fetch(self, channel):
        self.fetched += 1
        return self.make(self.fetched)

    async def on_subscribed(self, ctx):
        self.subscribed += 1

    async def on_unsubscribed(self, ctx):
        self.codes.append(ctx.code)

    async def on_publication(self, ctx):
        self.got.append(self.session.decoded(ctx.pub.data))


async def fetched_again(protobuf):
    make = lambda number: ann(exp=now() - 5) if number == 1 else ann()
    async with Session(protobuf, make) as session:
        await session.is_connected()
        same(session.fetched, 2, "fetches")


async def false_token(protobuf):
    make = lambda _: token({"sub": "ann"}, "another secret of at least 32 bytes")
    async with Session(protobuf, make) as session:
        await until(lambda: session.codes, "disconnected")
        same(session.codes, [3500], "codes")


async def refreshed(protobuf):
    async with Session(protobuf, lambda _: ann(exp=now() + 2)) as session:
        await until(lambda: session.fetched >= 3, lambda: f"fetched {session.fetched} times")
        same(session.connected, 1, "times connected")


async def server_side(protobuf):
    async with Session(protobuf, lambda _: ann(channels=["chat:server"])) as session:
        await session.is_connected()
        same(await session.publish_code("chat:server"), 0, "publish")
        await until(lambda: session.got, "a publication")
        same(session.got, [1], "publications")


async def private(protobuf):
    def make(number):
        expires = now() - 5 if number == 1 else now() + 2
        return token({"sub": "ann", "channel": "$news:1", "exp": expires})

    async with Session(protobuf, lambda _: ann()) as session:
        refused = await session.subscribe("$news:refused")
        await until(lambda: refused.codes, "refused")
        granted = await session.subscribe("$news:1", make)
        await until(lambda: granted.fetched >= 4, lambda: f"fetched {granted.fetched} times")
        same(granted.subscribed, 1, "times subscribed")


async def permissions(protobuf):
    allowed = ["news:1", "inbox:box#ann", "inbox:box#bob,ann", "chat:1"]
    denied = ["other", "inbox:box", "inbox:box#bob", "inbox:box#annette"]
    async with Session(protobuf, lambda _: ann()) as session:
        granted = [await session.subscribe(topic) for topic in allowed]
        refused = [await session.subscribe(topic) for topic in denied]
        await until(lambda: all(each.subscribed for each in granted), "subscribed")
        await until(lambda: all(each.codes for each in refused), "refused")
        same(await session.publish_code("chat:1"), 0, "publish")
        await until(lambda: granted[3].got, "a publication")
        for topic in ("news:1", "chat:2"):
            same(await session.publish_code(topic), 103, f"publish to {topic}")


CHECKS = {
    "a token connects, and an expired one is fetched again": fetched_again,
    "a token with another signature ends the client": false_token,
    "a connection is refreshed before it is closed": refreshed,
    "the server subscribes the client to the topics of its token": server_side,
    "a private topic needs a subscription token, which is refreshed": private,
    "permissions decide about subscribing and publishing": permissions,
}


def python(form):
    clean = True
    for name, body in CHECKS.items():
        try:
            asyncio.run(body(form == "protobuf"))
            print(f"ok centrifuge-python, {form}: {name}", flush=True)
        except Exception as fault:
            clean = False
            text = f"{type(fault).__name__} {fault}".replace("\n", " ")
            print(f"not ok centrifuge-python, {form}: {name}: {text}", flush=True)
    return clean


def node(tools, form):
    program = shutil.which("node")
    if not program:
        print("SKIPPED centrifuge-js: no Node")
        return True
    command = [program, HERE / "access.mjs", AT.client, form, SECRET]
    environment = {**os.environ, "NODE_TOOLS": str(tools / "node")}
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=NODE_TIMEOUT_S
    )
    for line in ended.stdout.splitlines():
        result, _, name = line.partition("ok ")
        print(f"{result}ok centrifuge-js, {form}: {name}", flush=True)
    if ended.stderr:
        print(ended.stderr, file=sys.stderr)
    return ended.returncode == 0


def main():
    parser = argparse.ArgumentParser()
    for option in ("--fanfare", "--tools", "--logs"):
        parser.add_argument(option, type=lambda path: pathlib.Path(path).absolute(), required=True)
    arguments = parser.parse_args()
    arguments.logs.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    server = Server(arguments.fanfare, ["-c", CONFIG], AT.health, arguments.logs / "access.log")
    try:
        server.start()
        results = [python(form) for form in ("json", "protobuf")]
        results += [node(arguments.tools, form) for form in ("json", "protobuf")]
        same(server.drain(), 0, "exit status")
    finally:
        server.close()
    leaked = "hmac_secret" in (log := (arguments.logs / "access.log").read_text()) or "eyJ" in log
    if leaked:
        print("not ok access: the log contains a secret or a token")
    return 0 if all(results) and not leaked else 1


sys.exit(main())
