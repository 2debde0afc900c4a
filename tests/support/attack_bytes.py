"""Byte-level attack on one HTTP port: malformed, damaged and hostile requests over many short connections.

A program of its own, so that it runs in another process and, if needed, in another network namespace:

    attack_bytes.py HOST PORT --plane data|control --inputs N --seed N [--many-callers]

It prints one JSON object: inputs sent, responses by status, connections that hung, and secrets found in responses.
It opens 32 connections at a time and closes each after 5 s, so a run is limited in number and time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import re
import socket
import struct
import sys
from collections import Counter
from dataclasses import dataclass, field

CONCURRENT = 32
PATIENCE_SECONDS = 5.0
STATUS_LINE = re.compile(rb"^HTTP/1\.[01] (\d{3}) ", re.MULTILINE)
TOKEN = "X-aws-ec2-metadata-token"  # noqa: S105 - a header's name


def _with_body(line: str, body: bytes, content_type: str = "application/json") -> bytes:
    head = f"{line} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


DATA_REQUESTS = (
    b"GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n",
    b"GET /latest/meta-data/ HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
    b"GET /latest/meta-data/iam/security-credentials/ HTTP/1.1\r\n\r\n",
    b"PUT /latest/api/token HTTP/1.1\r\nX-aws-ec2-metadata-token-ttl-seconds: 21600\r\nContent-Length: 0\r\n\r\n",
    b"PUT /latest/api/token HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n0\r\n\r\n",
    b"GET /latest/dynamic/instance-identity/document HTTP/1.1\r\nX-aws-ec2-metadata-token: AQAEAxxxxxxxxx==\r\n\r\n",
    b"GET /v2/credentials/one HTTP/1.1\r\nHost: 169.254.170.2\r\n\r\n",
    b"GET /v1/credentials HTTP/1.1\r\nHost: 169.254.170.23\r\nAuthorization: token\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n\r\n",
    b"GET http://169.254.169.254/latest/user-data HTTP/1.0\r\n\r\n",
)
CONTROL_REQUESTS = (
    b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/config HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n",
    b"GET /v1/requests?limit=5 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n",
    _with_body("PATCH /v1/config", b'{"instance": {"region": "eu-west-1"}}', "application/merge-patch+json"),
    _with_body("POST /v1/events", b'{"kind": "spot"}'),
    _with_body("POST /v1/faults", b'{"kind": "delay", "delay": "10ms", "path": "*/nothing"}'),
    _with_body("PUT /v1/metadata/meta-data/own", b'{"value": "one"}'),
    b"POST /v1/reset HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
)
BLOCKS = (
    b"\r\n", b"\n", b"\r", b"\x00", b" ", b"\t", b":", b"\xff", b"%", b"%00", b"%2e%2e/", b"/", b"//", b"?", b"#",
    b"A" * 9000, b"Content-Length: 99999999999\r\n", b"Content-Length: -1\r\n", b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity, chunked\r\n", b"Expect: 100-continue\r\n",
    b"Connection: upgrade\r\nUpgrade: websocket\r\n", b"HTTP/9.9", b" : ", "é🙂".encode(), b"\r\n\r\n",
)  # fmt: skip
LIBRARY_WORDING = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,  # a TLS client hello
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"CONNECT example.com:443 HTTP/1.1\r\n\r\n",
    b"GET /\r\n\r\n",
    b"\x05\x01\x00",
    b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\n\r\n",
)


@dataclass
class Findings:
    """The findings of a run."""

    inputs: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    hung: int = 0
    refused: int = 0
    leaks: Counter[str] = field(default_factory=Counter)
    five_hundreds: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The findings as one JSON object."""
        return json.dumps(
            {
                "inputs": self.inputs,
                "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
                "hung": self.hung,
                "refused": self.refused,
                "leaks": dict(self.leaks),
                "five_hundreds": self.five_hundreds[:5],
            }
        )


@dataclass
class Input:
    """One connection's worth: pieces to send, and how to end it."""

    pieces: list[bytes]
    ending: str  # half-close, reset, close


def make(chance: random.Random, requests: tuple[bytes, ...]) -> Input:
    """The next input."""
    kind = chance.randrange(10)
    if kind == 0:
        data = chance.randbytes(chance.randint(1, 300))
    elif kind == 1:
        data = chance.choice(LIBRARY_WORDING) + (chance.choice(requests) if chance.random() < 0.5 else b"")
    elif kind == 2:
        data = _many_headers(chance, chance.choice(requests))
    elif kind == 3:
        data = b"".join(chance.choices(requests, k=chance.randint(2, 12)))
    elif kind == 4:
        data = chance.choice(requests).replace(b" /", b" /" + _path(chance), 1)
    else:
        data = damaged(chance, b"".join(chance.choices(requests, k=chance.randint(1, 2))))
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(3)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return Input(pieces, chance.choice(("half-close", "half-close", "half-close", "reset", "close")))


def damaged(chance: random.Random, whole: bytes) -> bytes:
    """A few bytes changed, taken out, put in, or the end cut off."""
    data = bytearray(whole)
    for _ in range(chance.randint(0, 5)):
        if not data:
            break
        place = chance.randrange(len(data))
        change = chance.randrange(5)
        if change == 0:
            data[place] = chance.randrange(256)
        elif change == 1:
            del data[place : place + chance.randint(1, 20)]
        elif change == 2:
            data[place:place] = chance.choice(BLOCKS)
        elif change == 3:
            line_end = data.find(b"\r\n", place)
            data[line_end + 2 : line_end + 2] = chance.choice(BLOCKS)
        else:
            del data[place + 1 :]
    return bytes(data)


def _many_headers(chance: random.Random, request: bytes) -> bytes:
    line, _, rest = request.partition(b"\r\n")
    names = (b"X-%d" % chance.randrange(1000), TOKEN.encode(), b"Host", b"Content-Length", b"Authorization")
    value = bytes(chance.choices(range(256), k=chance.choice((1, 10, 300)))).replace(b"\n", b"")
    extra = b"".join(b"%s: %s\r\n" % (chance.choice(names), value) for _ in range(chance.choice((3, 60, 400))))
    return line + b"\r\n" + extra + rest


def _path(chance: random.Random) -> bytes:
    parts = (b"..", b".", b"%2e%2e", b"latest", b"meta-data", b"%00", b"%zz", b"a" * 600, "ü".encode(), b"%C0%AF", b"")
    return b"/".join(chance.choices(parts, k=chance.randint(1, 12)))


class Attacker:
    """Sends inputs to one address and reads what comes back."""

    def __init__(self, host: str, port: int, secrets: list[str], *, many_callers: bool) -> None:
        self._address = (host, port)
        self._secrets = [secret.encode() for secret in secrets]
        self._many_callers = many_callers
        self.findings = Findings()

    async def send(self, chosen: Input, chance: random.Random) -> None:
        """Send one input and read until the connection ends."""
        self.findings.inputs += 1
        loop = asyncio.get_running_loop()
        client = socket.socket(socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET)
        client.setblocking(False)
        try:
            if self._many_callers:
                client.bind((f"127.0.0.{chance.randint(2, 250)}", 0))
            await asyncio.wait_for(self._talk(loop, client, chosen), PATIENCE_SECONDS)
        except TimeoutError:
            self.findings.hung += 1
        except OSError:
            self.findings.refused += 1
        finally:
            client.close()

    async def _talk(self, loop: asyncio.AbstractEventLoop, client: socket.socket, chosen: Input) -> None:
        await loop.sock_connect(client, self._address)
        with contextlib.suppress(OSError):  # it may have been answered and closed before the last piece
            for piece in chosen.pieces:
                await loop.sock_sendall(client, piece)
        if chosen.ending == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        if chosen.ending == "close":
            return
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ConnectionError):
            while part := await loop.sock_recv(client, 65536):
                received += part
        self._judge(chosen, received)

    def _judge(self, chosen: Input, received: bytes) -> None:
        for status in STATUS_LINE.findall(received):
            self.findings.statuses[int(status)] += 1
            if status.startswith(b"5"):
                self.findings.five_hundreds.append(repr(b"".join(chosen.pieces))[:400])
        for secret in self._secrets:
            if secret in received:
                self.findings.leaks[secret.decode()] += 1


async def attack(attacker: Attacker, inputs: int, seed: int, requests: tuple[bytes, ...]) -> None:
    """Send `inputs` of them, `CONCURRENT` at a time."""
    chance = random.Random(seed)  # noqa: S311 - the same inputs at each run
    left = iter(range(inputs))

    async def work() -> None:
        for _ in left:
            await attacker.send(make(chance, requests), chance)

    await asyncio.gather(*(work() for _ in range(CONCURRENT)))


def main() -> int:
    """Attack, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--plane", choices=["data", "control"], required=True)
    parser.add_argument("--inputs", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--secret", action="append", default=[], help="text that no answer may hold")
    parser.add_argument("--many-callers", action="store_true", help="from 249 addresses of loopback")
    arguments = parser.parse_args()
    attacker = Attacker(arguments.host, arguments.port, arguments.secret, many_callers=arguments.many_callers)
    requests = DATA_REQUESTS if arguments.plane == "data" else CONTROL_REQUESTS
    asyncio.run(attack(attacker, arguments.inputs, arguments.seed, requests))
    sys.stdout.write(attacker.findings.text() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
