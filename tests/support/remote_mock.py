"""A mock whose control plane is the only way to it, as for a mock in a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_mock.ctl.client import Client
from imds_mock.testing.blocking import BlockingMock
from imds_mock.testing.remote import RemoteController, RemoteDriver

if TYPE_CHECKING:
    from imds_mock.ctl.client import UnreachableError
    from imds_mock.testing import ImdsMock


class Unreachable(Exception):  # noqa: N818 - what the test waits for
    """The mock does not answer."""


def unreachable(error: UnreachableError) -> Unreachable:
    return Unreachable(str(error))


def over_the_control_plane(mock: ImdsMock) -> BlockingMock:
    """The same mock, driven over its control plane alone."""
    client = Client(mock.control_url, on_note=lambda _note: None)
    return BlockingMock(RemoteDriver(RemoteController(lambda: client, lambda: mock.endpoint_url), unreachable))
