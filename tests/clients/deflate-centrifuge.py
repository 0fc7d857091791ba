"""centrifuge-python in the deflate check. Arguments: client URL, json or protobuf."""

import asyncio
import json
import sys

import centrifuge
from corpus import Chain

PROTOBUF = sys.argv[2] == "protobuf"


def report(**line):
    print(json.dumps(line), flush=True)


class Subscriber(centrifuge.SubscriptionEventHandler):
    """Adds the field `text` of every publication to the digest, until `last` is set."""

    def __init__(self):
        self.chain, self.disorder, self.ended = Chain(), 0, asyncio.Event()

    async def on_subscribed(self, ctx):
        report(open=None)  # the SDK does not show what was negotiated

    async def on_publication(self, ctx):
        data = json.loads(ctx.pub.data) if PROTOBUF else ctx.pub.data
        self.disorder += data["n"] != self.chain.count
        self.chain.add(data["text"].encode())
        if data.get("last"):
            report(done={"bursts": self.chain.report(), "disorder": self.disorder})
            self.ended.set()


class Session(centrifuge.ClientEventHandler):
    async def on_disconnected(self, ctx):
        report(fault=f"closed with {ctx.code} {ctx.reason}")


async def main():
    client = centrifuge.Client(sys.argv[1], events=Session(), use_protobuf=PROTOBUF, proxy=None)
    subscriber = Subscriber()
    await client.connect()
    await client.new_subscription("bursts", events=subscriber).subscribe()
    await subscriber.ended.wait()


asyncio.run(main())
