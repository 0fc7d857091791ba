"""Shared by the checks in Python: requests to the conductor, waiting, reporting."""

import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request

WAIT_S = 15
UNICODE = 'naïve Ωμέγα 日本語 עברית नमस्ते 👩‍👩‍👧‍👦 "quoted" \\ \u2028 \u0000 \u001f \ufeff \U0010ffff'
LARGE = UNICODE * 5_000  # more than 512 KiB of UTF-8


class Conductor:
    """A client for the HTTP server of conductor.py. Requests run in a thread, so that the client under
    test continues meanwhile."""

    def __init__(self, url):
        self.url = url

    async def ask(self, path, body=b"", **query):
        target = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        return await asyncio.to_thread(self._post, target, body)

    @staticmethod
    def _post(target, body):
        try:
            with urllib.request.urlopen(urllib.request.Request(target, body, method="POST")) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            raise RuntimeError(refusal.read().decode()) from None


def numbers(count):
    return [{"n": n} for n in range(count)]


def padded(name, n):
    """Returns the payload that the programs in interop/ publish and expect: {"from":name,"n":n} with a
    member that makes it up to 700 bytes long."""
    return '{"from":"%s","n":%d,"pad":"%s"}' % (name, n, f"{n}é " * (max(n, 0) % 100))


def exit_code():
    """Returns the exit code of a program: 1 if one of its checks failed."""
    return 1 if failed_checks else 0


async def until(condition, what, seconds=WAIT_S):
    """Waits for `condition`. On timeout, raises AssertionError with `what`, or with its result if it
    is a function."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            shown = what() if callable(what) else what
            raise AssertionError(f"waited {seconds} s for {shown}")
        await asyncio.sleep(0.005)


def same(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what}: got {clip(actual)}, expected {clip(expected)}")


def run_python(form, checks, run):
    """Calls `run` with each of the checks and prints its result. `run` returns a coroutine. Returns
    whether all passed."""
    clean = True
    for name, body in checks.items():
        try:
            asyncio.run(run(body))
            print(f"ok centrifuge-python, {form}: {name}", flush=True)
        except Exception as fault:
            clean = False
            text = f"{type(fault).__name__} {fault}".replace("\n", " ")
            print(f"not ok centrifuge-python, {form}: {name}: {text}", flush=True)
    return clean


def clip(value):
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:120]}… ({len(text)})"


failed_checks = []


async def check(name, body):
    """Runs one check and prints its line."""
    try:
        await body()
        print(f"ok {name}")
    except Exception as fault:
        failed_checks.append(name)
        print(f"not ok {name}: {type(fault).__name__} {fault}".replace("\n", " "))
