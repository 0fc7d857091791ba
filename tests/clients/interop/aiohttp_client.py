"""aiohttp on /raw and in the client protocol. Arguments: base URL, control URL."""

import asyncio

import aiohttp
from client import Connection, main


class Aiohttp(Connection):
    @classmethod
    async def open(cls, url, compressed):
        self = cls()
        self.session = aiohttp.ClientSession()
        self.socket = await self.session.ws_connect(url, compress=15 if compressed else 0, max_msg_size=0)
        assert bool(self.socket.compress) == compressed, f"compression: {self.socket.compress}"
        self.reader = asyncio.create_task(self.read())
        return self

    async def read(self):
        async for message in self.socket:
            if message.type == aiohttp.WSMsgType.ERROR:
                self.fault = message.data
            else:
                self.messages.append(message.data)
        self.close_code = self.socket.close_code
        await self.session.close()

    async def send(self, text):
        await self.socket.send_str(text)

    async def close(self):
        await self.socket.close()
        await self.reader


main("aiohttp", Aiohttp.open)
