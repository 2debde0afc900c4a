"""Network addresses and their text."""

from __future__ import annotations

from typing import NamedTuple


class Address(NamedTuple):
    """An IP address and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return host_and_port(self.host, self.port)

    @property
    def url(self) -> str:
        """The URL for a client on this machine: loopback in place of "all addresses"."""
        loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not listened on
        return f"http://{host_and_port(loopback.get(self.host, self.host), self.port)}"


def host_and_port(host: str, port: int | str) -> str:
    """`127.0.0.1:80` or `[::1]:80`, as URLs and messages write an address with its port."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
