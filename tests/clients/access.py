"""Tokens, expiry and permissions with published SDKs.

    access.py --fanfare BINARY --tools DIR --logs DIR

centrifuge-python runs in this process, and pycent acts on its users. The same checks exist for centrifuge (npm), which runs in Node
and in browsers (access.mjs), for centrifuge-go (go/access) and for centrifuge-java (java/Access.java).
The tokens are made with the standard libraries. Prints one line per check, as run.py does.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import pathlib
import signal
import sys
import tempfile
import time

import cent
import centrifuge
from access_programs import AT, BROWSERS, CONFIG, FORMS, HERE, SECRET, browser, program, programs
from conductor import Conductor, Publisher
from scenario import run_python, same, until
from server import Server

CENTRIFUGE = "node/node_modules/centrifuge/dist"


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
        self.fetched, self.connected, self.connecting, self.codes, self.got = 0, 0, [], [], []
        self.senders, self.id, self.events = [], None, []
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
        self.id = ctx.client

    async def on_subscribed(self, ctx):
        self.events.append(("subscribed", ctx.channel, ctx.data and self.decoded(ctx.data)))

    async def on_unsubscribed(self, ctx):
        self.events.append(("unsubscribed", ctx.channel))

    async def on_connecting(self, ctx):
        self.connecting.append(ctx.code)

    async def on_disconnected(self, ctx):
        self.codes.append(ctx.code)

    async def on_publication(self, ctx):
        self.got.append(self.decoded(ctx.pub.data))
        self.senders.append(self.sender(ctx.pub.info))

    def sender(self, info):
        """Returns the parts of the information about the sender of a publication."""
        parts = info and [info.conn_info, info.chan_info]
        return info and [info.user, info.client, *(part and self.decoded(part) for part in parts)]

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
        self.fetched, self.subscribed, self.subscribing, self.codes, self.got = 0, 0, [], [], []
        options = {"get_token": self.fetch} if make else {}
        self.subscription = session.client.new_subscription(topic, events=self, **options)

    async def fetch(self, channel):
        self.fetched += 1
        return self.make(self.fetched)

    async def on_subscribed(self, ctx):
        self.subscribed += 1

    async def on_subscribing(self, ctx):
        self.subscribing.append(ctx.code)

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


def expires(number):
    """Returns `exp` of each token of a client whose first refresh fails."""
    return now() + {1: 2, 2: -5}.get(number, 600)


async def expired_refresh(protobuf):
    async with Session(protobuf, lambda number: ann(exp=expires(number))) as session:
        await until(lambda: session.connected == 2, lambda: f"connected {session.connected} times")
        same(session.connecting, [0, 3005], "codes")


async def expired_sub_refresh(protobuf):
    make = lambda number: token({"sub": "ann", "channel": "$news:2", "exp": expires(number)})
    async with Session(protobuf, lambda _: ann()) as session:
        topic = await session.subscribe("$news:2", make)
        await until(lambda: topic.subscribed == 2, lambda: f"subscribed {topic.subscribed} times")
        same(topic.subscribing, [0, 2501], "codes")
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


def api(call, request):
    """Calls the server API in a thread."""
    client = cent.Client(AT.api, AT.api_key)
    return asyncio.to_thread(getattr(client, call), request)


async def sender(protobuf):
    """Subscribers see who has published; the publisher is no client in the server API."""
    claims = {"sub": "eve", "info": {"name": "Eve"}, "subs": {"chat:who": {"info": [7]}}}
    watched = lambda _: ann(channels=["chat:who"])
    async with Session(protobuf, lambda _: token(claims)) as eve, Session(protobuf, watched) as other:
        await asyncio.gather(eve.is_connected(), other.is_connected())
        same(await eve.publish_code("chat:who"), 0, "publish")
        await api("publish", cent.PublishRequest(channel="chat:who", data=2))
        await until(lambda: len(other.got) == 2, "publications")
        same(other.got, [1, 2], "publications")
        same(other.senders, [["eve", eve.id, {"name": "Eve"}, [7]], None], "senders")


async def server_api(protobuf):
    """pycent acts on one user, and another user of the same server notices nothing."""
    make = lambda _: token({"sub": "eve"})
    async with Session(protobuf, make) as eve, Session(protobuf, lambda _: ann()) as other:
        await asyncio.gather(eve.is_connected(), other.is_connected())
        topic = await eve.subscribe("news:own")
        await until(lambda: topic.subscribed, "subscribed")
        request = cent.SubscribeRequest(user="eve", channel="chat:api", data={"n": 1})
        await api("subscribe", request)
        await until(lambda: eve.events, "subscribed by the server")
        same(eve.events, [("subscribed", "chat:api", {"n": 1})], "events")
        await api("publish", cent.PublishRequest(channel="chat:api", data=7))
        await until(lambda: eve.got, "a publication")
        for channel in ("chat:api", "news:own"):
            await api("unsubscribe", cent.UnsubscribeRequest(user="eve", channel=channel))
        await until(lambda: topic.codes, "unsubscribed")
        same((topic.codes, eve.events[1:]), ([2000], [("unsubscribed", "chat:api")]), "events")
        await api("refresh", cent.RefreshRequest(user="eve", expire_at=now() + 60))
        spared = cent.DisconnectRequest(user="eve", whitelist=[eve.id])
        await api("disconnect", spared)
        await api("refresh", cent.RefreshRequest(user="eve", client=eve.id, expired=True))
        await until(lambda: eve.connected == 2, "connected again")
        code = cent.Disconnect(code=4501, reason="over")
        await api("disconnect", cent.DisconnectRequest(user="eve", disconnect=code))
        await until(lambda: eve.codes, "disconnected")
        same((eve.codes, eve.got, eve.connected), ([4501], [7], 2), "what eve noticed")
        same((other.codes, other.got, other.events, other.connected), ([], [], [], 1), "another user")


CHECKS = {
    "a token connects, and an expired one is fetched again": fetched_again,
    "a token with another signature ends the client": false_token,
    "a connection is refreshed before it is closed": refreshed,
    "an expired token in a refresh ends the connection, and the SDK connects again": expired_refresh,
    "an expired token in a sub_refresh ends the subscription, and the SDK subscribes again": expired_sub_refresh,
    "the server subscribes the client to the topics of its token": server_side,
    "a private topic needs a subscription token, which is refreshed": private,
    "permissions decide about subscribing and publishing": permissions,
    "publications of clients name the client": sender,
    "the server API acts on the connections of a user": server_api,
}


def python(form):
    return run_python(form, CHECKS, lambda body: body(form == "protobuf"))


def checks(tools, results):
    """Runs the checks of all SDKs. Returns whether all passed."""
    clean = all([python(form) for form in FORMS])
    for sdk, command, forms in programs(tools):
        clean &= all([program(tools, sdk, command, form) for form in forms])
    for name, form in BROWSERS.items():
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            clean &= browser(name, form, results, pathlib.Path(profile))
    return clean


def main():
    parser = argparse.ArgumentParser()
    for option in ("--fanfare", "--tools", "--logs"):
        parser.add_argument(option, type=lambda path: pathlib.Path(path).absolute(), required=True)
    arguments = parser.parse_args()
    arguments.logs.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    server = Server(arguments.fanfare, ["-c", CONFIG], AT.health, arguments.logs / "access.log")
    files = {
        "/page.html": HERE / "page.html",
        "/scenario.mjs": HERE / "access.mjs",
        "/centrifuge.json.js": arguments.tools / CENTRIFUGE / "centrifuge.js",
        "/centrifuge.protobuf.js": arguments.tools / CENTRIFUGE / "centrifuge.protobuf.js",
    }
    conductor = Conductor(AT.conductor, server, Publisher(AT.pull), files)
    try:
        conductor.start()
        clean = checks(arguments.tools, conductor.results)
        same(server.drain(), 0, "exit status")
    finally:
        conductor.stop()
    leaked = "hmac_secret" in (log := (arguments.logs / "access.log").read_text()) or "eyJ" in log
    if leaked:
        print("not ok access: the log contains a secret or a token")
    return 0 if clean and not leaked else 1


sys.exit(main())
