"""The start of `imds-mock serve`, observed from inside its process: what it has loaded when it answers."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from imds_mock.cli import main
from imds_mock.errors import EX_CONFIG

# Runs `serve` in the main thread. Another thread, which imports as little as it can, looks at the process after the
# first response, and again once the control plane answers.
OBSERVED = """
import gc, os, socket, sys, threading, time
ports = []
for _ in range(2):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        ports.append(free.getsockname()[1])

def ask(port, path):
    while True:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                client.sendall(f"GET {path} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nConnection: close\\r\\n\\r\\n".encode())
                return int(client.recv(4096).split()[1])
        time.sleep(0.001)

def observe():
    for port, path in zip(ports, ("/latest/meta-data/instance-id", "/healthz")):
        status = ask(port, path)
        modules = " ".join(name for name, module in list(sys.modules.items()) if module is not None)
        print(f'{{"status": {status}, "modules": "{modules}", "collects": {int(gc.isenabled())}}}', flush=True)
    os._exit(0)

threading.Thread(target=observe, daemon=True).start()
from imds_mock.cli import main
main(["serve", "--host", "127.0.0.1", "--port", str(ports[0]), "--control-port", str(ports[1])])
"""


@pytest.fixture(scope="module")
def observations() -> tuple[dict[str, Any], dict[str, Any]]:
    """What was found after the first response, and after the control plane's first response."""
    # Isolated and without site packages, which may import modules themselves.
    paths = ":".join(path for path in sys.path if path)
    code = f"import sys; sys.path[:0] = {paths!r}.split(':')\n{OBSERVED}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
        env={"PATH": os.environ["PATH"]},
    )
    first, second = map(json.loads, done.stdout.splitlines())
    return first, second


def test_the_mock_answers_before_the_control_plane_is_loaded(
    observations: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    first, second = observations
    assert (first["status"], second["status"]) == (200, 200)
    assert "starlette" not in first["modules"].split()
    assert "starlette" in second["modules"].split()


def test_garbage_is_collected_once_the_mock_answers(observations: tuple[dict[str, Any], dict[str, Any]]) -> None:
    assert observations[1]["collects"] == 1


def test_garbage_is_collected_after_a_start_that_fails() -> None:
    assert main(["serve", "--config", "/does/not/exist.yaml"]) == EX_CONFIG
    assert gc.isenabled()


@pytest.mark.parametrize("module", ["dataclasses"])
def test_a_start_does_not_load_what_the_first_response_does_without(
    observations: tuple[dict[str, Any], dict[str, Any]], module: str
) -> None:
    assert module not in observations[0]["modules"].split()
