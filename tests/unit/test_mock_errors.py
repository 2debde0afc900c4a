"""Errors of the listener: their exit codes, and a sentence that tells what to do."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from imds_mock.errors import ListenError


@pytest.mark.parametrize(
    ("cause", "code", "advice"),
    [
        (OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)), 69, "choose another --port"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES)), 77, "CAP_NET_BIND_SERVICE"),
        (OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL)), 71, "choose another --host"),
        (OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS)), 71, "No buffer space"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), 78, "not an IP address"),
    ],
)
def test_why_an_address_cannot_be_listened_on(cause: OSError, code: int, advice: str) -> None:
    error = ListenError("::1", 80, cause)
    assert error.exit_code == code
    assert str(error).startswith("cannot listen on [::1]:80: ")
    assert advice in str(error)
    assert "\n" not in str(error)
