"""A back end with hooks and a key set, which behaves as the calls ask, rightly or wrongly.

A mode decides about each answer: `data.mode` of a connect, `meta.mode` of a refresh, the method of an
RPC, and otherwise the topic up to a hyphen: `hook:error-1` has the mode `error`. The modes are those
of `Hooks.answer`, and `ok`. Each call is recorded.

    GET  /calls?id=X    the calls that contain X
    POST /jwks?mode=M   sets the key set and its mode: ok, 500 or never
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

LIFETIME_S = 2
REFRESHES = 2  # extensions until a connection or a subscription ends
SLOW_S = 0.5
NEVER_S = 60
HUGE = b'{"result":{"data":"%s"}}' % (b"x" * 1024 * 1024)  # longer than fanfare reads


def mode(hook, call):
    if hook in ("connect", "refresh"):
        return call["data" if hook == "connect" else "meta"]["mode"]
    name = call["method"] if hook == "rpc" else call["channel"].split(":")[1]
    return name.split("-")[0]


def expires():
    return int(time.time()) + LIFETIME_S


def granted(hook, mode, call, count):
    """Returns the result of a hook that agrees. `count` is the number of such calls before."""
    if hook == "connect":
        data = call["data"]
        result = {"user": data["user"], "data": {"hello": data["user"]}, "channels": ["chat:server"], "meta": data}
        return {**result, "expire_at": expires()} if mode == "expiring" else result
    if hook in ("refresh", "sub_refresh"):
        return {"expired": True} if count >= REFRESHES else {"expire_at": expires()}
    if hook == "subscribe":
        result = {"data": {"topic": call["channel"]}}
        return {**result, "expire_at": expires()} if mode == "expiring" else result
    if hook == "publish":
        return {"data": {"replaced": True}} if mode == "replaced" else {}
    return {"data": {"echo": call.get("data"), "user": call["user"]}}


class BackEnd:
    """The HTTP server. `calls` holds (hook, call, headers), and ("jwks", its mode, {})."""

    def __init__(self, address):
        self.calls, self.lock, self.ended = [], threading.Lock(), threading.Event()
        self.keys, self.keys_mode = b'{"keys":[]}', "ok"
        self.http = ThreadingHTTPServer(address, self._handler())
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self):
        self.ended.set()
        self.http.shutdown()
        self.http.server_close()

    def of(self, mark):
        """Returns the calls that contain a text."""
        with self.lock:
            return [each for each in self.calls if mark in json.dumps(each)]

    def answer(self, hook, call, headers):
        """Records a call. Returns the status and the body of the answer."""
        what = mode(hook, call)
        with self.lock:
            same = [each for each in self.calls if each[0] == hook and self._subject(each[1]) == self._subject(call)]
            self.calls.append((hook, call, headers))
        if what == "slow":
            time.sleep(SLOW_S)
        if what == "never":
            self.ended.wait(NEVER_S)
        if what == "500" or what == "once500" and not same:
            return 500, b""
        if what == "404":
            return 404, b""
        if what == "garbage":
            return 200, b"<html>this is not JSON</html>"
        if what == "huge":
            return 200, HUGE
        if what == "error":
            return 200, b'{"error":{"code":1001,"message":"refused by the hook"}}'
        if what == "disconnect":
            return 200, b'{"disconnect":{"code":4501,"reason":"ended by the hook"}}'
        return 200, json.dumps({"result": granted(hook, what, call, len(same))}).encode()

    @staticmethod
    def _subject(call):
        """Returns what calls about one connection or one subscription have in common."""
        return call.get("channel"), json.dumps(call.get("meta") or call.get("data"))

    def key_set(self):
        with self.lock:
            self.calls.append(("jwks", {"mode": self.keys_mode}, {}))
        if self.keys_mode == "never":
            self.ended.wait(NEVER_S)
        return (500, b"") if self.keys_mode == "500" else (200, self.keys)

    def _handler(self):
        back_end = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                target = urlsplit(self.path)
                if target.path == "/jwks":
                    return self.answer(*back_end.key_set())
                calls = back_end.of(parse_qs(target.query)["id"][0])
                self.answer(200, json.dumps(calls).encode())

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                target = urlsplit(self.path)
                if target.path == "/jwks":
                    back_end.keys, back_end.keys_mode = body, parse_qs(target.query)["mode"][0]
                    return self.answer(200, b"")
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.answer(*back_end.answer(target.path.removeprefix("/"), json.loads(body), headers))

            def answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass  # fanfare reads no more than it may.

            def log_message(self, *_):
                pass

        return Handler
