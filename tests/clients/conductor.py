"""An HTTP server that clients under test use to request publications, restarts and results.

A client in any language, including a browser page, controls its own scenario with POST requests:

    /publish?topic=T&count=N    pushes {"n":0} to {"n":N-1}
    /publish?topic=T&count=N&from=X
                                pushes N payloads of different lengths: see scenario.py
    /publish?topic=T            pushes the request body as it is
    /stream?topic=T&rate=R      pushes {"n":0}, {"n":1}, ... until /stop
    /stop                       ends the stream; answers {"last": n}
    /restart?how=kill|drain     ends the server, starts it again; answers {"exit": status}
    /received?from=X&count=N    waits until N payloads {"from":X,"n":n} reached a /raw client
    /result                     adds a line to the report of a browser

GET serves the files of the browser page.
"""

import collections
import json
import queue
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import websockets
import websockets.sync.client
import zmq
from scenario import padded

RECEIVE_TIMEOUT_S = 10
KINDS = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".mjs": "text/javascript"}


class Http(ThreadingHTTPServer):
    """An HTTP server that ignores errors, because browsers are killed during requests."""

    def handle_error(self, request, client_address):
        pass


class Publisher:
    """A PUSH socket of pyzmq. A lock allows several HTTP threads to use it."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.lock = threading.Lock()
        self.socket = None
        self.streaming = None
        self.sent = 0

    def connect(self):
        """Opens a new socket, so that messages for an earlier server are not sent to the new one."""
        with self.lock:
            if self.socket:
                self.socket.close(linger=0)
            self.socket = zmq.Context.instance().socket(zmq.PUSH)
            self.socket.sndtimeo = RECEIVE_TIMEOUT_S * 1000
            self.socket.connect(self.endpoint)

    def push(self, topic, payload):
        with self.lock:
            self.socket.send_multipart([topic.encode(), payload])

    def count(self, topic, count):
        for n in range(count):
            self.push(topic, b'{"n":%d}' % n)

    def padded(self, topic, count, name):
        for n in range(count):
            self.push(topic, padded(name, n).encode())

    def stream(self, topic, rate):
        self.stop()
        self.sent, stop = 0, threading.Event()

        def run():
            start = time.monotonic()
            while not stop.is_set():
                due = int((time.monotonic() - start) * rate) + 1
                while self.sent < due:
                    self.push(topic, b'{"n":%d}' % self.sent)
                    self.sent += 1
                stop.wait(1 / rate)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.streaming = (stop, thread)

    def stop(self):
        if self.streaming:
            stop, thread = self.streaming
            stop.set()
            thread.join()
            self.streaming = None
        return self.sent - 1


class Witness:
    """A /raw client that stores the received numbers by the name of the publisher under test. Stores
    "altered" for a payload that has a pad and is not what `padded` returns."""

    def __init__(self, url):
        self.arrived = collections.defaultdict(list)
        self.changed = threading.Condition()
        self.socket = websockets.sync.client.connect(url, compression=None)
        threading.Thread(target=self._read, daemon=True).start()

    def wait(self, name, count):
        with self.changed:
            enough = lambda: len(self.arrived[name]) >= count
            self.changed.wait_for(enough, RECEIVE_TIMEOUT_S)
            return list(self.arrived[name])

    def _messages(self):
        try:
            yield from self.socket
        except websockets.ConnectionClosed:
            pass  # The server was killed or drained, and no request follows.

    def _read(self):
        for message in self._messages():
            try:
                payload = json.loads(message)
                name, n = payload["from"], payload["n"]
            except (ValueError, KeyError, TypeError):
                continue
            if "pad" in payload and message != padded(name, n):
                n = "altered"
            with self.changed:
                self.arrived[name].append(n)
                self.changed.notify_all()


class Conductor:
    """The HTTP server with one fanfare server, one publisher and one witness."""

    def __init__(self, address, server, publisher, files):
        self.server = server
        self.publisher = publisher
        self.files = files
        self.witness = None
        self.results = queue.Queue()
        self.http = Http(address, self._handler())
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def start(self):
        self.server.start()
        self.publisher.connect()

    def stop(self):
        self.publisher.stop()
        self.server.close()
        self.http.shutdown()
        self.http.server_close()

    def post(self, path, query, body):
        one = lambda key: query[key][0]
        if path == "/publish" and "from" in query:
            return self.publisher.padded(one("topic"), int(one("count")), one("from"))
        if path == "/publish" and "count" in query:
            return self.publisher.count(one("topic"), int(one("count")))
        if path == "/publish":
            return self.publisher.push(one("topic"), body)
        if path == "/stream":
            return self.publisher.stream(one("topic"), float(one("rate")))
        if path == "/stop":
            return {"last": self.publisher.stop()}
        if path == "/restart":
            status = self.server.kill() if one("how") == "kill" else self.server.drain()
            self.start()
            return {"exit": status}
        if path == "/received":
            return self.witness.wait(one("from"), int(one("count")))
        if path == "/result":
            return self.results.put(body.decode())
        raise KeyError(path)

    def file(self, path):
        name = self.files[path]
        return name.read_bytes(), KINDS[name.suffix]

    def offered(self, query, headers):
        """Adds the extensions that a browser offers to its report. The handshake is then refused."""
        offer = headers.get("Sec-WebSocket-Extensions")
        self.results.put(json.dumps({"name": query["name"][0], "offer": offer}))

    def _handler(self):
        conductor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                target = urlsplit(self.path)
                if "Upgrade" in self.headers:
                    conductor.offered(parse_qs(target.query), self.headers)
                try:
                    self.answer(200, *conductor.file(target.path))
                except KeyError:
                    self.answer(404, b"", "text/plain")

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                target = urlsplit(self.path)
                try:
                    result = conductor.post(target.path, parse_qs(target.query), body)
                    self.answer(200, json.dumps(result).encode(), "application/json")
                except Exception as fault:
                    self.answer(500, repr(fault).encode(), "text/plain")

            def answer(self, status, body, kind):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler
