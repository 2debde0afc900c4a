"""A well-behaved client of the data plane that measures the duration of its requests.

A program of its own, so that only the mock and the machine delay it: `healthy_client.py HOST PORT`. It sends a request
every 2 ms, alternately on a connection that stays open (with a session token) and on a new one. For each number on
standard input, it prints one JSON object about the requests since the last object, as soon as there are that many. It
ends when its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

LEAF = b"GET /latest/meta-data/instance-id HTTP/1.1\r\n"
PUT = b"PUT /latest/api/token HTTP/1.1\r\nX-aws-ec2-metadata-token-ttl-seconds: 21600\r\n\r\n"
PAUSE_SECONDS = 0.002


class Client:
    """Sends requests and records the duration of each in milliseconds."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self.milliseconds: list[float] = []
        self.failures: list[str] = []
        self._made = asyncio.Condition()

    async def made(self, requests: int) -> None:
        """Wait until there are this many requests since the last report."""
        async with self._made:
            await self._made.wait_for(lambda: len(self.milliseconds) >= requests)

    async def run(self) -> None:
        """Send requests until cancelled."""
        kept: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        token = b""
        turn = 0
        while True:
            began = time.perf_counter()
            try:
                if kept is None:
                    token = (await self._once(PUT)).rpartition(b"\r\n")[2]
                    kept = await asyncio.open_connection(*self._address)
                if turn % 2:
                    answer = await self._once(LEAF + b"\r\n")
                else:
                    reader, writer = kept
                    writer.write(LEAF + b"Connection: keep-alive\r\nX-aws-ec2-metadata-token: " + token + b"\r\n\r\n")
                    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
                    answer = head + await reader.readexactly(19)
                if not (answer.startswith(b"HTTP/1.1 200 ") and b"i-1234567890abcdef0" in answer):
                    self.failures.append(repr(answer[:80]))
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                self.failures.append(repr(error))
                kept = None
            async with self._made:
                self.milliseconds.append((time.perf_counter() - began) * 1000)
                self._made.notify_all()
            turn += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _once(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            writer.write(request)
            return await asyncio.wait_for(reader.read(65536 * 16), 10)
        finally:
            writer.close()

    def report(self) -> str:
        """A JSON object about the requests since the last report."""
        each, self.milliseconds = sorted(self.milliseconds), []
        failures, self.failures = self.failures, []
        return json.dumps(
            {
                "requests": len(each),
                "failures": len(failures),
                "example": failures[:1],
                "median": each[len(each) // 2] if each else 0,
                "p99": each[len(each) * 99 // 100] if each else 0,
                "slowest": each[-1] if each else 0,
            }
        )


async def measure(host: str, port: int) -> None:
    """Run the client and print a report for each line of standard input."""
    client = Client(host, port)
    running = asyncio.create_task(client.run())
    loop = asyncio.get_running_loop()
    while number := await loop.run_in_executor(None, sys.stdin.readline):
        wanted = asyncio.ensure_future(client.made(int(number)))
        await asyncio.wait([running, wanted], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        sys.stdout.write(client.report() + "\n")
        sys.stdout.flush()
    running.cancel()


if __name__ == "__main__":
    asyncio.run(measure(sys.argv[1], int(sys.argv[2])))
