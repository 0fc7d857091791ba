"""`websockets` (pip) in the deflate check, as it is by default. Arguments: raw URL."""

import asyncio
import json
import sys

import websockets
from corpus import Chain


def report(**line):
    print(json.dumps(line), flush=True)


async def main():
    async with websockets.connect(sys.argv[1], max_size=None, proxy=None, ping_interval=None) as socket:
        report(open=socket.response.headers.get("Sec-WebSocket-Extensions", ""))
        chains = {"binary": Chain(), "text": Chain()}
        ended = 0
        while ended < 2:
            message = await socket.recv()
            text = isinstance(message, str)
            if message:
                chains["text" if text else "binary"].add(message.encode() if text else message)
            else:
                ended += 1
        report(done={topic: chain.report() for topic, chain in chains.items()})


try:
    asyncio.run(main())
except Exception as fault:
    report(fault=f"{type(fault).__name__} {fault}")
