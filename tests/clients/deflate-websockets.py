"""`websockets` (pip) in the deflate check. Arguments: raw URL, and optionally window bits.

Without window bits, the client makes its default offer. With window bits, it requests this window
size, and its inflater uses a window of this size.
"""

import asyncio
import json
import sys

import websockets
from corpus import Chain
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory


def report(**line):
    print(json.dumps(line), flush=True)


def connect(url, bits=None):
    options = {"max_size": None, "proxy": None, "ping_interval": None}
    if bits:
        options["extensions"] = [ClientPerMessageDeflateFactory(server_max_window_bits=int(bits))]
        options["compression"] = None
    return websockets.connect(url, **options)


async def main():
    async with connect(*sys.argv[1:]) as socket:
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
