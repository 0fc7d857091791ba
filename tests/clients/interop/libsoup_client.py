"""libsoup on /raw and in the client protocol, by GObject introspection. Runs with the Python of the
distribution, and runs GLib's main context inside the asyncio loop. Arguments: base URL, control URL.
"""

import asyncio
import sys

try:
    import gi

    gi.require_version("Soup", "3.0")
    from gi.repository import GLib, Soup
except (ImportError, ValueError) as fault:
    print(f"SKIPPED libsoup is not installed: {fault}\ndone")
    sys.exit(0)

from client import Connection, main


async def turn_until(condition):
    """Lets GLib dispatch its events until the condition holds."""
    while not condition():
        while GLib.MainContext.default().iteration(False):
            pass
        await asyncio.sleep(0.001)


class Libsoup(Connection):
    """libsoup offers compression only if the session has the manager of extensions."""

    plain, deflate = Soup.Session(), Soup.Session()
    deflate.add_feature_by_type(Soup.WebsocketExtensionManager)

    @classmethod
    async def open(cls, url, compressed):
        self = cls()
        message = Soup.Message.new("GET", url)
        session = cls.deflate if compressed else cls.plain
        opened = asyncio.get_running_loop().create_future()
        answer = lambda session, result: opened.set_result(result)
        session.websocket_connect_async(message, None, None, GLib.PRIORITY_DEFAULT, None, answer)
        await asyncio.wait_for(turn_until(opened.done), 15)
        self.socket = session.websocket_connect_finish(opened.result())
        self.socket.set_max_incoming_payload_size(4 << 20)
        assert bool(self.socket.get_extensions()) == compressed, f"compression: {not compressed}"
        self.socket.connect("message", self.add)
        self.socket.connect("error", lambda socket, fault: setattr(self, "fault", fault))
        self.socket.connect("closed", lambda socket: setattr(self, "close_code", socket.get_close_code()))
        self.turns = asyncio.create_task(turn_until(lambda: self.close_code is not None))
        return self

    def add(self, socket, kind, data):
        text = kind == Soup.WebsocketDataType.TEXT
        self.messages.append(data.get_data().decode() if text else data.get_data())

    async def send(self, text):
        self.socket.send_text(text)

    async def close(self):
        self.socket.close(Soup.WebsocketCloseCode.NORMAL, None)
        await asyncio.wait_for(self.turns, 15)


main("libsoup", Libsoup.open)
