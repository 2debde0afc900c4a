"""A name server for measurements: every address in 10.77.0.0/16 is a replica of one service.

Prints its address, then answers until it is terminated. It is as fast as Docker's, which is not written in Python.
"""

from __future__ import annotations

import socket
import sys

QUESTION = 12
PTR, A = 12, 1


def main() -> int:
    """Answer queries until terminated."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        print(f"127.0.0.1:{server.getsockname()[1]}", flush=True)
        while True:
            query, peer = server.recvfrom(512)
            server.sendto(answer(query), peer)


def answer(query: bytes) -> bytes:
    """The response to a query: the name of an address, or the address of a name."""
    labels: list[str] = []
    place = QUESTION
    while length := query[place]:
        labels.append(query[place + 1 : place + 1 + length].decode())
        place += 1 + length
    question, kind = query[QUESTION : place + 5], query[place + 2]
    if kind == PTR:
        name = f"proj-app-{int(labels[1]) * 256 + int(labels[0])}", "proj_default"
        data = b"".join(bytes([len(label)]) + label.encode() for label in name) + b"\0"
    elif kind == A:
        number = int(labels[0].rpartition("-")[2])
        data = bytes([10, 77, number >> 8, number & 255])
    else:
        return query[:2] + b"\x81\x80\0\1\0\0\0\0\0\0" + question
    record = b"\xc0\x0c" + bytes([0, kind, 0, 1, 0, 0, 2, 88]) + len(data).to_bytes(2, "big") + data
    return query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question + record


if __name__ == "__main__":
    sys.exit(main())
