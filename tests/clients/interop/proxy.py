"""`websockets` (pip) through a proxy: what a proxy can spoil. Arguments: URL of the proxy, control URL."""

import asyncio
import json
import pathlib
import sys
import urllib.request

import websockets

sys.path.append(str(pathlib.Path(__file__).parents[1]))

from scenario import Conductor, check, exit_code, padded, same  # noqa: E402

URL, CONDUCTOR = sys.argv[1], Conductor(sys.argv[2])
OWN_ORIGIN = URL.replace("ws://", "http://")
MESSAGES = 500
DEFLATE = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


async def in_order(compression):
    url = f"{URL}/raw?topic=order"
    async with websockets.connect(url, compression=compression, proxy=None) as socket:
        answer = socket.response.headers.get("Sec-WebSocket-Extensions")
        same(answer, DEFLATE if compression else None, "extensions")
        await CONDUCTOR.ask("/publish", **{"topic": "order", "count": MESSAGES, "from": "proxy"})
        got = [await asyncio.wait_for(socket.recv(), 15) for _ in range(MESSAGES)]
        same(got, [padded("proxy", n) for n in range(MESSAGES)], "messages")


async def own_origin():
    """The server compares Origin with Host, which a proxy must preserve."""
    await (await websockets.connect(f"{URL}/raw?topic=a", origin=OWN_ORIGIN, proxy=None)).close()


async def health():
    with urllib.request.urlopen(f"{OWN_ORIGIN}/health", timeout=15) as answer:
        same((answer.status, json.load(answer)["status"]), (200, "ok"), "health")


async def main():
    await check("500 messages, compressed", lambda: in_order("deflate"))
    await check("500 messages, without compression", lambda: in_order(None))
    await check("a page of the same origin is allowed", own_origin)
    await check("GET /health", health)
    print("done")


asyncio.run(main())
sys.exit(exit_code())
