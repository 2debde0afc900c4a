"""How an address is written with its port."""

from __future__ import annotations

import pytest

from imds_mock.addresses import host_and_port


@pytest.mark.parametrize(
    ("host", "port", "written"),
    [("127.0.0.1", 80, "127.0.0.1:80"), ("::1", 1338, "[::1]:1338"), ("mock", "1339", "mock:1339")],
)
def test_only_an_ipv6_address_is_in_brackets(host: str, port: int | str, written: str) -> None:
    assert host_and_port(host, port) == written
