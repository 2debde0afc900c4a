"""The hop limit of token answers on a real network: through a router, retransmissions included."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from netlab import Lab
from support.paths import IMDS_MOCK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netlab import Namespace

ADDRESSES = {"IPv4": "10.99.2.2", "IPv6": "fd99:2::2"}

# Asks once for a token and once for a leaf over one connection, and says what came, and with which hop limits.
CLIENT = """
import json, socket, struct, sys
address, seconds = sys.argv[1], float(sys.argv[2])
ipv6 = ":" in address
raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x86DD if ipv6 else 0x0800))
raw.settimeout(0.2)

def hop_limits():
    seen = []
    while True:
        try:
            packet = raw.recv(65536)
        except TimeoutError:
            return seen
        start = 40 if ipv6 else (packet[0] & 15) * 4
        source_port, = struct.unpack_from("!H", packet, start)
        payload = packet[start + (packet[start + 12] >> 4) * 4:]
        if source_port == 80 and payload.startswith(b"HTTP/1.1"):
            seen.append(packet[7 if ipv6 else 8])

def ask(connection, request):
    connection.sendall(request.replace("\\n", "\\r\\n").encode())
    try:
        return connection.recv(65536).decode().split(" ")[1]
    except TimeoutError:
        return "nothing"

keep = "Connection: keep-alive"
put = f"PUT /latest/api/token HTTP/1.1\\n{keep}\\nX-aws-ec2-metadata-token-ttl-seconds: 60\\n\\n"
get = f"GET /latest/meta-data/instance-id HTTP/1.1\\n{keep}\\n\\n"
def connect():
    # A link that has just come up may lose the first packets.
    return socket.create_connection((address, 80), 60)

with connect() as connection:
    connection.settimeout(seconds)
    token = ask(connection, put), hop_limits()
    leaf = ask(connection, get), hop_limits()
    token_again = ask(connection, put), hop_limits()
with connect() as connection:
    fresh = ask(connection, get), hop_limits()
print(json.dumps({"token": token, "leaf": leaf, "token again": token_again, "fresh leaf": fresh}))
"""


class Route:
    """A client, a router or none, and a mock behind it."""

    def __init__(self, lab: Lab, *, routed: bool) -> None:
        self.mock = lab.namespace("mock")
        self.client = lab.namespace("client")
        if routed:
            router = lab.namespace("router")
            for switch in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                router.set_kernel(switch, 1)
            lab.link(self.client, router, ["10.99.1.2/24", "fd99:1::2/64"], ["10.99.1.1/24", "fd99:1::1/64"])
            lab.link(self.mock, router, ["10.99.2.2/24", "fd99:2::2/64"], ["10.99.2.1/24", "fd99:2::1/64"])
            for space, number in ((self.client, 1), (self.mock, 2)):
                space.ip("route", "add", "default", "via", f"10.99.{number}.1")
                space.ip("-6", "route", "add", "default", "via", f"fd99:{number}::1")
        else:
            lab.link(self.client, self.mock, ["10.99.2.1/24", "fd99:2::1/64"], ["10.99.2.2/24", "fd99:2::2/64"])

    def ask(self, family: str, seconds: float) -> dict[str, tuple[str, list[int]]]:
        asked = self.client.run([sys.executable, "-c", CLIENT, ADDRESSES[family], str(seconds)])
        answers: dict[str, Any] = json.loads(asked.stdout)
        return {name: (status, sorted(set(limits))) for name, (status, limits) in answers.items()}


@contextlib.contextmanager
def mock_in(space: Namespace, hop_limit: int | None) -> Iterator[None]:
    option = [] if hop_limit is None else ["--set", f"metadata_options.http_put_response_hop_limit={hop_limit}"]
    process = space.popen([IMDS_MOCK, "serve", "--port", "80", "--access-log", "off", *option], stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        assert "answers on" in process.stderr.readline()
        yield
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.parametrize("family", ADDRESSES)
@pytest.mark.parametrize(
    ("hop_limit", "token_hop_limit"),
    [(None, 64), (1, 1), (2, 2), (64, 64)],
)
def test_only_token_answers_carry_the_hop_limit(family: str, hop_limit: int | None, token_hop_limit: int) -> None:
    with Lab() as lab:
        route = Route(lab, routed=False)
        with mock_in(route.mock, hop_limit):
            assert route.ask(family, 60) == {
                "token": ("200", [token_hop_limit]),
                "leaf": ("200", [64]),
                "token again": ("200", [token_hop_limit]),
                "fresh leaf": ("200", [64]),
            }


@pytest.mark.parametrize("family", ADDRESSES)
def test_behind_a_router_a_hop_limit_of_one_loses_the_token_for_good(family: str) -> None:
    with Lab() as lab:
        route = Route(lab, routed=True)
        with mock_in(route.mock, 1):
            # Long enough for several retransmissions, of which none may get through.
            answers = route.ask(family, 1.5)
            assert answers["token"] == ("nothing", [])
            assert answers["fresh leaf"] == ("200", [63])


@pytest.mark.parametrize("hop_limit", [None, 2])
def test_behind_a_router_two_hops_or_none_said_are_enough(hop_limit: int | None) -> None:
    with Lab() as lab:
        route = Route(lab, routed=True)
        with mock_in(route.mock, hop_limit):
            answers = route.ask("IPv4", 60)
            assert answers["token"] == ("200", [1 if hop_limit else 63])
            assert answers["leaf"] == ("200", [63])
