"""pycent, blocking and asynchronous, against the server API. Arguments: API URL, key, control URL."""

import asyncio
import base64
import sys

import cent
from scenario import Conductor, check, exit_code, same

URL, KEY, CONTROL = sys.argv[1:4]
CONDUCTOR = Conductor(CONTROL)
MESSAGES = 100


def data(name, n):
    return {"from": f"pycent {name}", "n": n}


async def arrived(name, count=MESSAGES):
    """Checks that a client received 0 to count-1 in order."""
    got = await CONDUCTOR.ask("/received", **{"from": f"pycent {name}", "count": count})
    same(got, list(range(count)), "arrived")


def blocking(call, *arguments):
    """Runs a call of the blocking client in a thread."""
    client = cent.Client(URL, KEY)
    return asyncio.to_thread(getattr(client, call), *arguments)


async def refused(call, request):
    """Returns the code of the error with which a call is refused."""
    try:
        await blocking(call, request)
    except cent.CentApiResponseError as error:
        assert error.message, f"{call}: no text"
        return error.code
    return None


async def publish():
    for n in range(MESSAGES):
        request = cent.PublishRequest(channel="from", data=data("publish", n), skip_history=True)
        await blocking("publish", request)
    await arrived("publish")


async def asynchronous():
    client = cent.AsyncClient(URL, KEY)
    try:
        for n in range(MESSAGES):
            await client.publish(cent.PublishRequest(channel="from", data=data("async", n)))
    finally:
        await client.close()
    await arrived("async")


async def encoded():
    payload = base64.b64encode(b'{"from":"pycent encoded","n":0}').decode()
    await blocking("publish", cent.PublishRequest(channel="from", data=None, b64data=payload))
    await arrived("encoded", 1)


async def broadcast():
    channels = ["from", "", "other"]
    request = cent.BroadcastRequest(channels=channels, data=data("broadcast", 0))
    result = await blocking("broadcast", request)
    codes = [response.error and response.error.code for response in result.responses]
    same(codes, [None, 107, None], "responses")
    await arrived("broadcast", 1)


async def batch():
    requests = [cent.PublishRequest(channel="from", data=data("batch", n)) for n in range(MESSAGES)]
    requests += [cent.InfoRequest(), cent.ChannelsRequest(pattern="f*m")]
    replies = (await blocking("batch", cent.BatchRequest(requests=requests))).replies
    same(len(replies), MESSAGES + 2, "replies")
    same(len(replies[-2].nodes), 1, "nodes")
    same(replies[-1].channels["from"].num_clients, 1, "clients")
    await arrived("batch")


async def channels():
    for pattern, expected in [(None, {"from": 1}), ("fro?", {"from": 1}), ("form*", {})]:
        result = await blocking("channels", cent.ChannelsRequest(pattern=pattern))
        found = {name: channel.num_clients for name, channel in result.channels.items()}
        same(found, expected, f"pattern {pattern}")


async def info():
    (node,) = (await blocking("info", cent.InfoRequest())).nodes
    assert node.uid and node.name and node.version, node
    same((node.num_users, node.num_subs >= 0, node.uptime >= 0), (0, True, True), "node")


async def errors():
    for call, request, code in [
        ("publish", cent.PublishRequest(channel="", data={}), 107),
        ("publish", cent.PublishRequest(channel="x" * 256, data={}), 107),
        ("publish", cent.PublishRequest(channel="from", data=None), 107),
        ("broadcast", cent.BroadcastRequest(channels=[], data={}), 107),
        ("subscribe", cent.SubscribeRequest(user="u", channel=""), 107),
        ("subscribe", cent.SubscribeRequest(user="u", channel="a", expire_at=1), 110),
        ("unsubscribe", cent.UnsubscribeRequest(user="", channel="a"), 107),
        ("disconnect", cent.DisconnectRequest(user="u", disconnect=cent.Disconnect(code=1, reason="")), 107),
        ("refresh", cent.RefreshRequest(user="u", session="s"), 108),
        ("presence", cent.PresenceRequest(channel="a"), 108),
        ("presence_stats", cent.PresenceStatsRequest(channel="a"), 108),
        ("history", cent.HistoryRequest(channel="a"), 108),
        ("history_remove", cent.HistoryRemoveRequest(channel="a"), 108),
    ]:
        same(await refused(call, request), code, f"{call} {request}")


async def nobody():
    """What acts on a user without connections succeeds. access.py has users."""
    requests = [
        cent.SubscribeRequest(user="u", channel="a"),
        cent.UnsubscribeRequest(user="u", channel="a"),
        cent.DisconnectRequest(user="u"),
        cent.RefreshRequest(user="u"),
    ]
    replies = (await blocking("batch", cent.BatchRequest(requests=requests))).replies
    same(len(replies), len(requests), "replies")


async def wrong_key():
    client = cent.Client(URL, KEY[:-1])
    try:
        await asyncio.to_thread(client.info, cent.InfoRequest())
    except cent.CentUnauthorizedError:
        return
    raise AssertionError("a wrong key is accepted")


async def main():
    await check("publish", publish)
    await check("publish, asynchronous client", asynchronous)
    await check("publish b64data", encoded)
    await check("broadcast: one response per channel", broadcast)
    await check("batch", batch)
    await check("channels", channels)
    await check("info", info)
    await check("errors have their codes", errors)
    await check("acting on a user without connections", nobody)
    await check("a wrong key is refused", wrong_key)
    print("done")


asyncio.run(main())
sys.exit(exit_code())
