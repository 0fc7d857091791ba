"""The honest publishers and the scraper: one thread each, with the time of every answer."""

import contextlib
import http.client
import json
import time

import zmq
from bounds import PUBLISH_INTERVALS_S, SCRAPE_INTERVAL_S
from honest import payload
from load import Thread

# A thread waits this long for an answer, so that a delay is measured and not only noticed.
ANSWER_S = 40
BUSY_PAUSE_S = 0.1


def request(address, method, path, body=None, token=None, timeout_s=ANSWER_S):
    """Sends one request on a connection of its own. Returns the status and the body."""
    connection = http.client.HTTPConnection(address, timeout=timeout_s)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


class Periodic(Thread):
    """Calls `act` at an interval. `answers_ms` contains the end and the duration of each call,
    `failures` the end and the error of each call that failed."""

    def __init__(self, name, interval_s):
        self.name, self.interval_s, self.due = name, interval_s, time.monotonic()
        self.answers_ms, self.failures = [], []

    def step(self):
        time.sleep(min(0.05, max(0, self.due - time.monotonic())))
        start = time.monotonic()
        if start < self.due:
            return
        self.due = start + self.interval_s
        try:
            self.act()
        except (OSError, http.client.HTTPException, zmq.ZMQError, RuntimeError) as error:
            self.failures.append((time.monotonic(), f"{type(error).__name__}: {error}"))
        self.answers_ms.append((time.monotonic(), (time.monotonic() - start) * 1e3))

    def max_ms(self, since):
        """Returns the longest call that ended, or has lasted, since this time."""
        waiting_ms = (time.monotonic() - self.due) * 1e3
        return max([waiting_ms, *(took_ms for end, took_ms in self.answers_ms if end >= since)])

    def failed(self, since):
        return [error for at, error in self.failures if at >= since]

    def close(self):
        pass


class Scraper(Periodic):
    def __init__(self, address, token):
        super().__init__("scrape", SCRAPE_INTERVAL_S)
        self.address, self.token = address, token

    def act(self):
        status, body = request(self.address, "GET", "/metrics", token=self.token)
        if status != 200 or not body.endswith(b"# EOF\n"):
            raise RuntimeError(f"status {status}, {len(body)} bytes")


class Publisher(Periodic):
    """Publishes to the topic of its own name. `number` is that of the last publication."""

    def __init__(self, name):
        super().__init__(name, PUBLISH_INTERVALS_S[name])
        self.number = 0

    def act(self):
        self.number += 1
        while not self.publish(payload(self.name, self.number)):
            time.sleep(BUSY_PAUSE_S)


class ZeroMq(Publisher):
    def __init__(self, name, kind, endpoint):
        super().__init__(name)
        self.socket = zmq.Context.instance().socket(kind)
        self.socket.linger = 0
        self.socket.sndtimeo = self.socket.rcvtimeo = ANSWER_S * 1000
        self.socket.connect(endpoint)

    def close(self):
        self.socket.close()


class Push(ZeroMq):
    def __init__(self, endpoint):
        super().__init__("push", zmq.PUSH, endpoint)

    def publish(self, data):
        self.socket.send_multipart([b"push", data])
        return True


class Req(ZeroMq):
    def __init__(self, endpoint):
        super().__init__("req", zmq.REQ, endpoint)

    def publish(self, data):
        self.socket.send_multipart([b"req", data])
        reply = self.socket.recv_multipart()
        if reply[:2] == [b"error", b"busy"]:
            return False
        if reply != [b"ok"]:
            raise RuntimeError(f"{reply}")
        return True


class Http(Publisher):
    def __init__(self, address, token):
        super().__init__("http")
        self.address, self.token = address, token

    def publish(self, data):
        body = json.dumps({"channel": "http", "data": None}).replace("null", data.decode())
        status, answer = request(self.address, "POST", "/publish", body, self.token)
        if status == 429:
            return False
        if (status, answer) != (200, b"{}"):
            raise RuntimeError(f"status {status} {answer.decode()}")
        return True
