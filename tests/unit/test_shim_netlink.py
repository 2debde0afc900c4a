from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_shim.nat.netlink import NLM_F_DUMP, Netlink, _messages, attribute, attributes, nested

RTM_GETLINK = 18
IFLA_IFNAME = 3


@given(st.dictionaries(st.integers(0, 0x3FFF), st.binary(max_size=50), max_size=8))
def test_attributes_round_trip(wanted: dict[int, bytes]) -> None:
    written = b"".join(attribute(kind, data) for kind, data in wanted.items())
    assert len(written) % 4 == 0
    assert attributes(written) == wanted


def test_nested_attributes_lose_their_flag() -> None:
    outer = attributes(nested(1, attribute(2, b"ab"), attribute(3, b"c")))
    assert attributes(outer[1]) == {2: b"ab", 3: b"c"}


@given(st.binary(max_size=100))
def test_arbitrary_bytes_raise_no_error(noise: bytes) -> None:
    attributes(noise)
    list(_messages(noise))


def test_a_dump_of_the_real_kernel_is_complete() -> None:
    with Netlink(socket.NETLINK_ROUTE) as kernel:
        links = kernel.request(RTM_GETLINK, struct.pack("=BxHiII", 0, 0, 0, 0, 0), NLM_F_DUMP)
    names = {attributes(link.body[16:])[IFLA_IFNAME].rstrip(b"\0").decode() for link in links}
    assert names == {name for _, name in socket.if_nameindex()}


def test_a_kernel_error_is_an_oserror_with_its_number() -> None:
    with Netlink(socket.NETLINK_ROUTE) as kernel, pytest.raises(OSError, match="No such device"):
        kernel.request(RTM_GETLINK, struct.pack("=BxHiII", 0, 0, 0x7FFFFFFF, 0, 0))


def test_a_kernel_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start must not hang."""
    monkeypatch.setattr("imds_shim.nat.netlink.TIMEOUT_SECONDS", 0.01)
    with Netlink(socket.NETLINK_ROUTE) as kernel:
        monkeypatch.setattr("imds_shim.nat.netlink._messages", lambda _datagram: ())
        with pytest.raises(TimeoutError):
            kernel.request(RTM_GETLINK, struct.pack("=BBHiII", socket.AF_UNSPEC, 0, 0, 0, 0, 0), NLM_F_DUMP)
