"""The real kernel's tables: own addresses with their blocks, neighbours and their hardware addresses."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from netlab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netlab import Namespace

READ_TABLES = """
import json, sys
from imds_mock.callers.kernel import Kernel
kernel = Kernel()
own = {each.address: (str(each.interface.network), each.interface_index) for each in kernel.own_addresses()}
index = own["10.7.0.1"][1]
print(json.dumps({"blocks": {address: block for address, (block, _) in own.items()},
                  "macs": {address: kernel.mac_of(address, index) for address in sys.argv[1:]},
                  "neighbours": {each.address: (each.mac, each.is_confirmed) for each in kernel.neighbours()}}))
"""


@pytest.fixture
def neighbours() -> Iterator[tuple[Namespace, Namespace]]:
    with Lab() as lab:
        mock, app = lab.namespace("mock"), lab.namespace("app")
        lab.link(mock, app, ("10.7.0.1/20", "fd00:7::1/64"), ("10.7.0.3/20", "fd00:7::3/64"))
        yield mock, app


def read_tables(namespace: Namespace, *addresses: str) -> dict[str, Any]:
    tables: dict[str, Any] = json.loads(namespace.run([sys.executable, "-c", READ_TABLES, *addresses]).stdout)
    return tables


def test_own_addresses_and_hardware_addresses_of_neighbours(neighbours: tuple[Namespace, Namespace]) -> None:
    mock, app = neighbours
    mac = json.loads(app.ip("-json", "link", "show", "type", "veth"))[0]["address"]
    for address in ("10.7.0.1", "fd00:7::1"):
        # A connection attempt makes the two neighbours exchange their hardware addresses.
        connect = f"import socket\ntry: socket.create_connection(({address!r}, 9))\nexcept OSError: pass"
        app.run([sys.executable, "-c", connect])
    tables = read_tables(mock, "10.7.0.3", "fd00:7::3", "10.7.0.9")
    assert tables["blocks"]["10.7.0.1"] == "10.7.0.0/20"
    assert tables["blocks"]["fd00:7::1"] == "fd00:7::/64"
    assert tables["blocks"]["127.0.0.1"] == "127.0.0.0/8"
    assert tables["macs"] == {"10.7.0.3": mac, "fd00:7::3": mac, "10.7.0.9": None}


def test_the_own_address_of_a_point_to_point_link(neighbours: tuple[Namespace, Namespace]) -> None:
    mock, _ = neighbours
    mock.ip("address", "add", "10.8.0.1", "peer", "10.8.0.2/32", "dev", "lo")
    assert "10.8.0.1" in read_tables(mock)["blocks"]


def test_a_neighbour_is_confirmed_if_the_kernel_trusts_its_entry(neighbours: tuple[Namespace, Namespace]) -> None:
    mock, _ = neighbours
    device = json.loads(mock.ip("-json", "link", "show", "type", "veth"))[0]["ifname"]
    mac = "02:00:00:00:00:07"
    states = {"10.7.0.4": "permanent", "10.7.0.5": "reachable", "10.7.0.6": "stale", "10.7.0.7": "noarp"}
    for address, state in states.items():
        mock.ip("neighbour", "replace", address, "lladdr", mac, "dev", device, "nud", state)
    found = read_tables(mock)["neighbours"]
    assert {address: found.get(address) for address in states} == {
        "10.7.0.4": [mac, True], "10.7.0.5": [mac, True], "10.7.0.6": [mac, False], "10.7.0.7": None,
    }  # fmt: skip
