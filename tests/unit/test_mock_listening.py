"""Where a process listens, read from the real /proc."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from imds_mock.wire import listening

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("family", "address", "host"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET, "127.0.0.9", "127.0.0.9"),
        (socket.AF_INET, "", "127.0.0.1"),
        (socket.AF_INET6, "::1", "[::1]"),
        (socket.AF_INET6, "::", "[::1]"),
    ],
)
def test_a_listening_socket_of_the_process(family: socket.AddressFamily, address: str, host: str) -> None:
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        port = listener.getsockname()[1]
        assert f"http://{host}:{port}" not in listening.urls(os.getpid())
        listener.listen()
        assert f"http://{host}:{port}" in listening.urls(os.getpid())
    assert f"http://{host}:{port}" not in listening.urls(os.getpid())


def test_a_child_counts_since_an_init_may_stand_in_front() -> None:
    script = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    child = [sys.executable, "-c", script]
    with subprocess.Popen(child, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port = process.stdout.readline().strip()
        assert f"http://127.0.0.1:{port}" in listening.urls(os.getpid())
        process.communicate("\n")


def test_a_process_that_is_not_there_listens_nowhere(tmp_path: Path) -> None:
    assert listening.urls(1, str(tmp_path)) == []
