"""Load for the programs in this directory: publishers, and clients that discard what they read."""

import multiprocessing
import selectors
import socket
import threading
import time

import zmq

UPGRADE = (
    "GET /raw?{query} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Thread:
    """Calls `step` in a thread until the context ends."""

    def __enter__(self):
        self.running, self.failure = True, None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def _run(self):
        try:
            while self.running:
                self.step()
        except Exception as error:
            self.failure = error

    def __exit__(self, *_):
        self.running = False
        self.thread.join()
        self.close()
        if self.failure:
            raise self.failure


class Readers(Thread):
    """`count` raw connections, each subscribed to all of `topics`."""

    def __init__(self, address, topics, count):
        host, port = address.split(":")
        query = "&".join(f"topic={topic}" for topic in topics)
        self.selector, self.sockets, self.read_bytes = selectors.DefaultSelector(), [], 0
        for _ in range(count):
            connection = socket.create_connection((host, int(port)), timeout=5)
            connection.sendall(UPGRADE.format(query=query, host=address).encode())
            head = b""
            while b"\r\n\r\n" not in head:
                head += (received := connection.recv(4096))
                if not received:
                    raise RuntimeError(f"no upgrade: {head}")
            if b" 101 " not in head:
                raise RuntimeError(f"no upgrade: {head}")
            self.sockets.append(connection)
            self.selector.register(connection, selectors.EVENT_READ)

    def step(self):
        for key, _ in self.selector.select(timeout=0.05):
            received = key.fileobj.recv(1 << 18)
            self.read_bytes += len(received)
            if not received:
                self.selector.unregister(key.fileobj)

    def close(self):
        for connection in self.sockets:
            connection.close()
        self.selector.close()


class Publisher(Thread):
    """Sends `rate` messages per second, to each of `topics` in turn."""

    def __init__(self, endpoint, topics, rate, payload=b'{"n":1}'):
        self.socket = zmq.Context.instance().socket(zmq.PUSH)
        self.socket.linger, self.socket.sndtimeo = 0, 5_000
        self.socket.connect(endpoint)
        self.topics, self.rate, self.payload = [topic.encode() for topic in topics], rate, payload
        self.sent, self.start = 0, time.monotonic()

    def step(self):
        due = int((time.monotonic() - self.start) * self.rate)
        time.sleep(0.001)
        while self.sent < due and self.running:
            topic = self.topics[self.sent % len(self.topics)]
            self.socket.send_multipart([topic, self.payload])
            self.sent += 1

    def close(self):
        self.socket.close()


class Child:
    """Calls a function in a separate process, which is killed when the context ends."""

    context = multiprocessing.get_context("spawn")

    def __init__(self, function, *parameters):
        self.process = self.context.Process(target=function, args=parameters, daemon=True)

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()


class Flood(Child):
    """Sends to each of `topics` in turn as fast as possible, in a separate process."""

    def __init__(self, endpoint, topics, payload):
        super().__init__(flood, endpoint, [topic.encode() for topic in topics], payload)


def flood(endpoint, topics, payload):
    push = zmq.Context.instance().socket(zmq.PUSH)
    push.connect(endpoint)
    while True:
        for topic in topics:
            push.send_multipart([topic, payload])
