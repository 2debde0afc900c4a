"""`signal` and `socket` without enumerations have the names and numbers of the real modules."""

from __future__ import annotations

import signal
import socket

from imds_shim import without_enums


def test_the_numbers_are_those_of_the_real_modules() -> None:
    own = without_enums.socket
    numbers = [own.AF_NETLINK, own.SOCK_DGRAM, own.IPPROTO_TCP, own.AI_NUMERICHOST, without_enums.signal.SIGTERM]
    assert numbers == [
        socket.AF_NETLINK,
        socket.SOCK_DGRAM,
        socket.IPPROTO_TCP,
        socket.AI_NUMERICHOST,
        signal.SIGTERM,
    ]
    assert {type(number) for number in numbers} == {int}


def test_a_with_block_closes_a_socket() -> None:
    with without_enums.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        assert channel.fileno() >= 0
    assert channel.fileno() == -1


def test_a_handler_is_returned_as_it_was_set() -> None:
    before = without_enums.signal.signal(signal.SIGUSR2, without_enums.signal.SIG_IGN)
    try:
        assert without_enums.signal.getsignal(signal.SIGUSR2) is without_enums.signal.SIG_IGN
    finally:
        without_enums.signal.signal(signal.SIGUSR2, before)
