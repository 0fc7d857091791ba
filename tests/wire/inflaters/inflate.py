"""Inflates messages as Python's websockets does. Standard input: records of one byte (window bits),
the payload and the message, each after its length in 4 bytes. Run by tests/wire/inflaters.rs."""

import struct
import sys
import zlib

FLUSH = b"\x00\x00\xff\xff"


def records(data):
    at = 0
    while at < len(data):
        (window_bits,) = struct.unpack_from(">B", data, at)
        at += 1
        parts = []
        for _ in range(2):
            (length,) = struct.unpack_from(">I", data, at)
            parts.append(data[at + 4 : at + 4 + length])
            at += 4 + length
        yield window_bits, *parts


def check(inflater, payload, message, what):
    inflated = inflater.decompress(payload + FLUSH)
    if inflater.eof or inflater.unconsumed_tail or inflated != message:
        sys.exit(f"{what}: {len(inflated)} bytes of {len(message)}, end: {inflater.eof}")


def main():
    keeper = zlib.decompressobj(-15)
    count = 0
    for window_bits, payload, message in records(sys.stdin.buffer.read()):
        check(zlib.decompressobj(-window_bits), payload, message, f"message {count}")
        check(keeper, payload, message, f"message {count} with takeover")
        count += 1
    print(f"{count} inflated, {count} with takeover")


main()
