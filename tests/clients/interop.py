"""Runs the publishers and clients of interop/ against a fanfare server, one at a time.

    interop.py --fanfare BINARY --tools DIR --logs DIR [NAME...]

Prints lines as run.py does. tests/run.sh compiles the programs in C and Java into interop/ below
`--tools`.
"""

import shutil
import sys

import run


def programs(tools, at):
    """Returns a dictionary from name to client."""
    here, built = run.HERE / "interop", tools / "interop"
    publisher = [at.pull, at.sub, at.router, at.control]
    java = [shutil.which("java") or "java", "-cp", f"{built}/lib/*:{built}/classes"]
    if not (built / "classes").exists():
        java = ["Java or Maven"]
    commands = {
        "libzmq": [built / "bin/libzmq", *publisher],
        "CZMQ": [built / "bin/czmq", *publisher],
        "php-zmq": [shutil.which("php") or "php", here / "publisher.php", *publisher],
        "JeroMQ": [*java, "JeroMq", *publisher],
        "OkHttp": [*java, "OkHttp", at.ws, at.control],
        "aiohttp": [tools / "python/bin/python", here / "aiohttp_client.py", at.ws, at.control],
        "libsoup": ["/usr/bin/python3", here / "libsoup_client.py", at.ws, at.control],
        "Netty": [*java, "Netty", at.ws, at.control],
    }
    return {name: run.Client(command, []) for name, command in commands.items()}


# Netty sends the address of the server as its Origin, which is allowed if the list is empty.
OPTIONS = (*run.CONFIG, "-s", "ws.origins=[]")

if __name__ == "__main__":
    sys.exit(run.main(programs, OPTIONS))
