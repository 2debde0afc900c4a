"""The address of the metadata service comes to another machine: its neighbours on a real link are told, nobody else."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from netlab import Lab
from support.bridge import Bridge
from support.paths import IMDS_MOCK, ROOT
from support.shimlab import end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netlab import Namespace

IMDS = "169.254.169.254"
READ = ("curl", "-sS", "--max-time", "1", f"http://{IMDS}/latest/meta-data/instance-id")
UNTIL_READ = ("timeout", "60", "sh", "-c", f"until {' '.join(READ)} -f; do :; done")

# Announces where the arguments are listened on, and prints what was sent on the link meanwhile: `arp` with who is asked
# for and by whom, or the destination of anything else over IPv4 (the kernel's own multicast aside).
SEEN_WHILE_ANNOUNCING = """
import asyncio, ipaddress, socket, sys
from imds_mock.log import say
from imds_mock.wire import announcement
announcement._PAUSES_SECONDS = (0.0, 0.0, 0.0)
listening = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
listening.settimeout(0.2)
asyncio.run(announcement.announce(sys.argv[1:], say))
while True:
    try:
        packet, (_, protocol, *_) = listening.recvfrom(2048)
    except TimeoutError:
        break
    at = lambda start: str(ipaddress.ip_address(packet[start:start + 4]))
    if protocol == 0x0806:
        print("arp", at(24), "from", at(14))
    elif protocol == 0x0800 and not ipaddress.ip_address(at(16)).is_multicast:
        print("packet to", at(16))
"""


@pytest.fixture
def link() -> Iterator[Bridge]:
    with Lab() as lab:
        yield Bridge(lab)


@pytest.fixture
def app(link: Bridge) -> Namespace:
    """An application that has just talked to the first holder of the address, which is gone now."""
    machine = link.plug("app", "169.254.7.7/16", "10.77.0.2/24")
    # The kernel asks anew for an address after 15 s or more; here only an announcement tells it.
    (cable,) = json.loads(machine.ip("-json", "link", "show", "type", "veth"))
    machine.set_kernel(f"ipv4/neigh/{cable['ifname']}/base_reachable_time_ms", 3_600_000)
    first = link.plug("first", f"{IMDS}/16", "10.77.0.3/24")
    with serving(first, str(ROOT / "tests/support/fake_imds.py"), IMDS, "80", "first"):
        machine.run(UNTIL_READ)
    first.ip("address", "flush", "scope", "global")
    first.ip("address", "flush", "scope", "link")
    return machine


@contextlib.contextmanager
def serving(machine: Namespace, program: str, *words: str) -> Iterator[None]:
    server = machine.popen([sys.executable, program, *words], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield
    finally:
        end(server)


@contextlib.contextmanager
def mock_on(machine: Namespace, folder: Path, *options: str) -> Iterator[str]:
    """A mock that answers; gives what it said about announcing by then."""
    command = [str(IMDS_MOCK), "serve", "--port", "80", "--control", "off", "--access-log", "off", *options]
    log = folder / "log"
    with log.open("w") as file:
        server = machine.popen(command, stderr=file)
    try:
        machine.run(until_said("answers on", log))
        yield str(log)
    finally:
        end(server)


def until_said(pattern: str, log: Path) -> list[str]:
    """The command that waits for a line of a log."""
    return ["timeout", "60", "sh", "-c", 'until grep -q "$1" "$2"; do :; done', "sh", pattern, str(log)]


def hardware_address(machine: Namespace) -> str:
    found = re.search(r"link/ether (\S+)", machine.ip("link"))
    assert found
    return found[1]


def believed(machine: Namespace) -> str:
    """The hardware address that a machine has for the metadata service."""
    return machine.ip("neigh", "show", IMDS).partition("lladdr ")[2].split()[0]


def test_neighbours_of_the_old_holder_read_from_the_new_one_at_once(
    app: Namespace, link: Bridge, tmp_path: Path
) -> None:
    second = link.plug("second", f"{IMDS}/16", "10.77.0.4/24")
    old = believed(app)
    assert old != hardware_address(second)
    with mock_on(second, tmp_path) as log:
        assert app.run(UNTIL_READ).stdout == "i-1234567890abcdef0"
        assert believed(app) == hardware_address(second)
        app.run(until_said(f"^imds-mock: announced to the neighbours: {IMDS}$", Path(log)))


def test_without_an_announcement_they_go_on_asking_the_old_one(app: Namespace, link: Bridge) -> None:
    second = link.plug("second", f"{IMDS}/16", "10.77.0.4/24")
    old = believed(app)
    with serving(second, str(ROOT / "tests/support/fake_imds.py"), IMDS, "80", "second"):
        assert app.run(READ, check=False).returncode == 28, "curl's 28 is a time-out"
        assert believed(app) == old


def seen(machine: Namespace, *hosts: str) -> tuple[list[str], str]:
    """What was sent, and what was said; a question that the kernel repeats after a second, as nobody answers, once."""
    done = machine.run([sys.executable, "-c", SEEN_WHILE_ANNOUNCING, *hosts])
    return list(dict.fromkeys(done.stdout.splitlines())), done.stderr


@pytest.mark.parametrize("address", [IMDS, "169.254.170.2", "169.254.170.23"])
def test_three_addresses_that_nobody_has_are_asked_for(link: Bridge, address: str) -> None:
    network = address.rpartition(".")[0]
    packets, said = seen(link.plug("mock", f"{address}/24"))
    assert packets == [f"arp {network}.{last} from {address}" for last in (240, 241, 242)]
    assert said == f"imds-mock: announced to the neighbours: {address}\n"


@pytest.mark.parametrize(
    ("addresses", "hosts"),
    [
        pytest.param(["10.77.0.3/24"], [], id="not held"),
        pytest.param(["10.77.0.3/24", "169.254.7.7/16"], [], id="another link-local address"),
        pytest.param(["10.77.0.3/24", f"{IMDS}/32"], [], id="held, but its network is behind the gateway"),
        pytest.param(["10.77.0.3/24", f"{IMDS}/16"], ["10.77.0.3"], id="not listened on"),
    ],
)
def test_otherwise_nothing_is_sent_or_said(link: Bridge, addresses: list[str], hosts: list[str]) -> None:
    mock = link.plug("mock", *addresses)
    mock.ip("route", "add", "default", "via", "10.77.0.1")
    assert seen(mock, *hosts) == ([], "")


def test_what_is_listened_on_is_announced(link: Bridge) -> None:
    assert len(seen(link.plug("mock", f"{IMDS}/16"), "10.77.0.3", IMDS)[0]) == 3
