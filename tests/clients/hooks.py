"""Hooks and key sets of a back end that may be slow, wrong or silent, with published SDKs.

    hooks.py --fanfare BINARY --tools DIR --logs DIR

centrifuge-python runs in this process; hooks.mjs does the same with centrifuge (npm) in Node, and
also checks key sets. back_end.py is the back end. Prints one line per check, as run.py does.
"""

import argparse
import asyncio
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import uuid

import centrifuge
from back_end import BackEnd
from scenario import run_python, same, until
from server import Addresses, Server

HERE = pathlib.Path(__file__).parent
CONFIG = HERE / "hooks.toml"
AT = Addresses(CONFIG)
BACK_END = ("127.0.0.1", 18081)
NODE_TIMEOUT_S = 180
FAILURES = ("garbage", "500", "huge", "never")  # modes that end in error 100


class Session(centrifuge.ClientEventHandler):
    """A client without a token, whose connect hook has the mode `mode`. Records what happens to it."""

    def __init__(self, form, mode="ok"):
        self.protobuf, self.id = form == "protobuf", uuid.uuid4().hex
        self.connected, self.connecting, self.codes, self.got, self.topics = [], [], [], [], []
        self.client = centrifuge.Client(
            AT.client, events=self, use_protobuf=self.protobuf, proxy=None, timeout=10,
            data=self.encoded({"user": "ann", "mode": mode, "id": self.id}), headers={"X-Session": "s1"},
        )

    async def __aenter__(self):
        await self.client.connect()
        return self

    async def __aexit__(self, *_):
        await self.client.disconnect()

    async def on_connected(self, ctx):
        self.connected.append(self.decoded(ctx.data))

    async def on_connecting(self, ctx):
        self.connecting.append(ctx.code)

    async def on_disconnected(self, ctx):
        self.codes.append(ctx.code)

    async def on_subscribed(self, ctx):
        self.topics.append(ctx.channel)

    async def on_publication(self, ctx):
        self.got.append(self.decoded(ctx.pub.data))

    def decoded(self, data):
        return json.loads(data) if self.protobuf and data else data

    def encoded(self, data):
        return json.dumps(data).encode() if self.protobuf else data

    async def is_connected(self):
        await until(lambda: self.connected, "connected")

    async def subscribe(self, mode):
        """Subscribes to a topic of its own whose hooks have the mode."""
        topic = Topic(self, f"hook:{mode}-{self.id}")
        await topic.subscription.subscribe()
        await until(lambda: topic.subscribed or topic.codes, f"a reply to subscribe {mode}")
        return topic

    async def code(self, call):
        """Returns 0, or the code of the error."""
        try:
            await call
            return 0
        except centrifuge.ReplyError as error:
            return error.code

    async def rpc(self, mode):
        return self.decoded((await self.client.rpc(mode, self.encoded({"n": 1}))).data)


class Topic(centrifuge.SubscriptionEventHandler):
    def __init__(self, session, name):
        self.session, self.name = session, name
        self.subscribed, self.subscribing, self.codes, self.got = [], [], [], []
        self.subscription = session.client.new_subscription(name, events=self)

    async def on_subscribed(self, ctx):
        self.subscribed.append(self.session.decoded(ctx.data))

    async def on_subscribing(self, ctx):
        self.subscribing.append(ctx.code)

    async def on_unsubscribed(self, ctx):
        self.codes.append(ctx.code)

    async def on_publication(self, ctx):
        self.got.append(self.session.decoded(ctx.pub.data))


async def connect(form, back_end):
    async with Session(form) as session:
        await session.is_connected()
        same(session.connected, [{"hello": "ann"}], "data of the connect reply")
        await until(lambda: session.topics, "a server-side subscription")
        same(session.topics, ["chat:server"], "topics")
        [(hook, call, headers)] = back_end.of(session.id)
        same((hook, call["transport"], call["protocol"]), ("connect", "websocket", form), "call")
        same((headers["x-session"], headers["x-back-end-key"]), ("s1", "key"), "headers")


async def refused(form, _):
    for mode, code in (("error", 1001), ("404", 1404), ("disconnect", 4501)):
        async with Session(form, mode) as session:
            await until(lambda: session.codes, f"disconnected with mode {mode}")
            same(session.codes, [code], f"codes with mode {mode}")


async def asked_again(form, back_end):
    async with Session(form, "once500") as session:
        await session.is_connected()
        same(len(back_end.of(session.id)), 2, "calls")


async def refresh(form, back_end):
    async with Session(form, "expiring") as session:
        await until(lambda: 3005 in session.connecting, lambda: f"3005 among {session.connecting}")
        hooks = [hook for hook, _, _ in back_end.of(session.id)]
        same(hooks[:4], ["connect", "refresh", "refresh", "refresh"], "calls")


async def subscribe(form, _):
    async with Session(form) as session:
        granted = await session.subscribe("ok")
        same(granted.subscribed, [{"topic": granted.name}], "data of the subscribe reply")
        for mode, code in (("error", 1001), ("404", 1404)):
            same((await session.subscribe(mode)).codes, [code], f"codes with mode {mode}")


async def sub_refresh(form, back_end):
    async with Session(form) as session:
        topic = await session.subscribe("expiring")
        await until(lambda: 2501 in topic.subscribing, lambda: f"2501 among {topic.subscribing}")
        hooks = [hook for hook, _, _ in back_end.of(topic.name)]
        same(hooks[:4], ["subscribe", "sub_refresh", "sub_refresh", "sub_refresh"], "calls")
        same(len(session.connected), 1, "times connected")


async def publish(form, _):
    async with Session(form) as session:
        topic = await session.subscribe("replaced")
        await session.client.publish(topic.name, session.encoded({"n": 1}))
        await until(lambda: topic.got, "a publication")
        same(topic.got, [{"replaced": True}], "publications")
        same(await session.code(session.client.publish("hook:error-1", session.encoded(1))), 1001, "code")


async def rpc(form, _):
    async with Session(form) as session:
        for mode in ("ok", "slow"):
            same(await session.rpc(mode), {"echo": {"n": 1}, "user": "ann"}, mode)
        for mode, code in (("error", 1001), ("404", 1404), *((each, 100) for each in FAILURES)):
            same(await session.code(session.rpc(mode)), code, f"code with mode {mode}")
        same(len(session.connected), 1, "times connected")


async def others(form, _):
    async with Session(form) as waiting:
        await waiting.is_connected()
        call = asyncio.create_task(waiting.code(waiting.rpc("never")))
        async with Session(form) as session:
            topic = await session.subscribe("replaced")
            await session.client.publish(topic.name, session.encoded({"n": 1}))
            await until(lambda: topic.got, "a publication")
            same(await session.rpc("ok"), {"echo": {"n": 1}, "user": "ann"}, "rpc")
            same(call.done(), False, "the other call has an answer")
        same(await call, 100, "code of the call that waits")


CHECKS = {
    "the connect hook grants a user, data and topics": connect,
    "the connect hook refuses with an error or a disconnect": refused,
    "a connect hook that fails is asked again": asked_again,
    "the refresh hook extends a connection, and ends it": refresh,
    "the subscribe hook decides, and its data reaches the client": subscribe,
    "the sub_refresh hook extends a subscription, and ends it": sub_refresh,
    "the publish hook decides, and replaces the data": publish,
    "the rpc hook answers, and its failures are error 100": rpc,
    "a hook that does not respond delays only its client": others,
}


def python(form, back_end):
    return run_python(form, CHECKS, lambda body: body(form, back_end))


def node(tools, form):
    program = shutil.which("node")
    if not program:
        print("SKIPPED centrifuge-js: no Node")
        return True
    address = f"http://{BACK_END[0]}:{BACK_END[1]}"
    process = subprocess.Popen(
        [program, HERE / "hooks.mjs", AT.client, form, address],
        env={**os.environ, "NODE_TOOLS": str(tools / "node")}, stdout=subprocess.PIPE, text=True,
    )
    # Ends the program, and thereby the loop below.
    timer = threading.Timer(NODE_TIMEOUT_S, process.kill)
    timer.start()
    for line in process.stdout:
        result, _, name = line.rstrip().partition("ok ")
        print(f"{result}ok centrifuge-js, {form}: {name}", flush=True)
    timer.cancel()
    if process.wait() < 0:
        print(f"not ok centrifuge-js, {form}: no end within {NODE_TIMEOUT_S} s", flush=True)
    return process.returncode == 0


def main():
    parser = argparse.ArgumentParser()
    for option in ("--fanfare", "--tools", "--logs"):
        parser.add_argument(option, type=lambda path: pathlib.Path(path).absolute(), required=True)
    arguments = parser.parse_args()
    arguments.logs.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    keys = subprocess.run([arguments.fanfare, "keys", "hooks.connect"], capture_output=True, text=True)
    if "hooks.connect.endpoint" not in keys.stdout:
        print("SKIPPED hooks: this build of the server has no hooks")
        return 0
    back_end = BackEnd(BACK_END)
    log = arguments.logs / "hooks.log"
    server = Server(arguments.fanfare, ["-c", CONFIG], AT.health, log)
    try:
        server.start()
        results = [python(form, back_end) for form in ("json", "protobuf")]
        results += [node(arguments.tools, form) for form in ("json", "protobuf")]
        same(server.drain(), 0, "exit status")
    finally:
        server.close()
        back_end.stop()
    leaked = "eyJ" in log.read_text()
    if leaked:
        print("not ok hooks: the log contains a token")
    return 0 if all(results) and not leaked else 1


sys.exit(main())
