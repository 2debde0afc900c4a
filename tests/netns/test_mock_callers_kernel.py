"""What the real kernel tells about callers: own addresses with their blocks, a neighbour's hardware address."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from netlab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netlab import Namespace

LOOK = """
import json, sys
from imds_mock.callers.kernel import Kernel
kernel = Kernel()
links = {link.address: (str(link.interface.network), link.interface_index) for link in kernel.own_addresses()}
place = links["10.7.0.1"][1]
print(json.dumps({"links": {address: block for address, (block, _) in links.items()},
                  "macs": {address: kernel.mac_of(address, place) for address in sys.argv[1:]}}))
"""


@pytest.fixture
def neighbours() -> Iterator[tuple[Namespace, Namespace]]:
    with Lab() as lab:
        mock, app = lab.namespace("mock"), lab.namespace("app")
        lab.link(mock, app, ("10.7.0.1/20", "fd00:7::1/64"), ("10.7.0.3/20", "fd00:7::3/64"))
        yield mock, app


def test_blocks_and_hardware_addresses_are_the_kernels(neighbours: tuple[Namespace, Namespace]) -> None:
    mock, app = neighbours
    mac = json.loads(app.ip("-json", "link", "show", "type", "veth"))[0]["address"]
    for address in ("10.7.0.1", "fd00:7::1"):
        # Whoever has asked is a neighbour that the kernel has spoken with.
        app.run(
            [
                sys.executable,
                "-c",
                f"import socket\ntry: socket.create_connection(({address!r}, 9))\nexcept OSError: pass",
            ]
        )
    seen = json.loads(mock.run([sys.executable, "-c", LOOK, "10.7.0.3", "fd00:7::3", "10.7.0.9"]).stdout)
    assert seen["links"]["10.7.0.1"] == "10.7.0.0/20"
    assert seen["links"]["fd00:7::1"] == "fd00:7::/64"
    assert seen["links"]["127.0.0.1"] == "127.0.0.0/8"
    assert seen["macs"] == {"10.7.0.3": mac, "fd00:7::3": mac, "10.7.0.9": None}
