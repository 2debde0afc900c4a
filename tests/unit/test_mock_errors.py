"""Errors of the listener: their exit codes, and a sentence that tells what to do."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

import pytest

from imds_mock import errors
from imds_mock.errors import ListenError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("cause", "code", "advice"),
    [
        (OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)), 69, "choose another --port"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES)), 77, "choose a --port above 1023"),
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


def test_in_a_container_the_line_for_the_compose_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refused = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(errors, "_CONTAINER_MARKS", (tmp_path / "absent",))
    assert "sysctl" not in str(ListenError("::", 80, refused))
    monkeypatch.setattr(errors, "_CONTAINER_MARKS", (tmp_path / "absent", tmp_path))
    message = str(ListenError("::", 80, refused))
    assert "add `sysctls: [net.ipv4.ip_unprivileged_port_start=0]` to the service in the compose file" in message
    assert message.endswith("or choose a --port above 1023")


def test_in_a_pod_the_words_are_those_of_its_manifest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(errors, "_CONTAINER_MARKS", (tmp_path,))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    message = str(ListenError("::", 80, PermissionError(errno.EACCES, os.strerror(errno.EACCES))))
    assert "choose a --port above 1023 and let the Service map port 80 to it (`targetPort`)" in message
    assert "sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: '0'}]" in message
    assert "compose" not in message
