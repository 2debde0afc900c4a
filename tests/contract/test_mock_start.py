"""The start of `imds-mock serve`, observed from inside its process: what it has loaded when it answers."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from typing import NamedTuple

import pytest

from imds_mock.cli import main
from imds_mock.errors import EX_CONFIG, EX_UNAVAILABLE

AFTER_THE_FIRST_RESPONSE = [
    *(
        "ast",
        "dataclasses",
        "difflib",
        "encodings.idna",
        "imds_mock.aemm.keys",
        "imds_mock.control.listener",
        "inspect",
    ),
    "shutil",
    *("starlette", "tempfile", "typing_extensions", "uvicorn", "yaml"),
]
"""What a start loads only after the first response, if ever, because it takes long."""

NEVER = [
    *("_hashlib", "_ssl", "click", "configparser", "html", "http.client", "http.cookies", "importlib.metadata"),
    *("importlib.resources", "logging.config", "mimetypes", "multiprocessing", "platform", "shlex", "ssl"),
    *("starlette.formparsers", "starlette.websockets", "zipfile"),
]
"""What a serving process never loads, because it takes much memory; see `unused_modules`."""

# Runs `serve` in the main thread. Another thread, which imports as little as it can, looks at the process after the
# first response: of the data plane, with the control plane off, or of the control plane.
OBSERVED = """
import gc, os, socket, sys, threading, time
paths = sys.argv[1].split(":")
sys.path[:0] = paths
control = sys.argv[2]
ports = []
holders = [socket.socket(), socket.socket()]  # as in support.ports
for holder in holders:
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    ports.append(holder.getsockname()[1])

def ask(port, path):
    while True:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                client.sendall(f"GET {path} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nConnection: close\\r\\n\\r\\n".encode())
                return int(client.recv(4096).split()[1])
        time.sleep(0.001)

def observe():
    status = ask(ports[1], "/healthz") if control == "on" else ask(ports[0], "/latest/meta-data/instance-id")
    loaded = " ".join(name for name, module in list(sys.modules.items()) if getattr(module, "__spec__", None))
    print(f'{{"status": {status}, "loaded": "{loaded}", "collects": {int(gc.isenabled())}}}', flush=True)
    os._exit(0)

threading.Thread(target=observe, daemon=True).start()
from imds_mock.cli import main
sys.argv[1:] = ["serve", "--host", "127.0.0.1", "--port", str(ports[0])]
sys.argv += ["--control", control, "--control-port", str(ports[1])]
main()
"""


# Checks the health of the process that runs it, whose only listening socket another thread serves.
HEALTH_CHECK = """
import os, socket, sys, _thread
sys.path[:0] = sys.argv[1].split(":")
listening = socket.create_server(("127.0.0.1", 0))

def answer():
    client, _ = listening.accept()
    client.recv(4096)
    client.sendall(b"HTTP/1.1 204 No Content\\r\\nX-Imds-Mock-Id: 1\\r\\n\\r\\n")

_thread.start_new_thread(answer, ())
from imds_mock.cli import main
code = main(["health", "--pid", str(os.getpid())])
print(code, *(name for name, module in sys.modules.items() if module is not None))
"""


class Observation(NamedTuple):
    status: int
    loaded: set[str]
    collects: bool


def observe(control: str) -> Observation:
    paths = ":".join(path for path in sys.path if path)
    # Isolated and without site packages, which may import modules themselves.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", OBSERVED, paths, control],
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
        env={"PATH": os.environ["PATH"]},
    )
    found = json.loads(done.stdout)
    return Observation(found["status"], set(found["loaded"].split()), bool(found["collects"]))


@pytest.fixture(scope="module")
def health_check() -> set[str]:
    paths = ":".join(path for path in sys.path if path)
    command = [sys.executable, "-I", "-S", "-c", HEALTH_CHECK, paths]
    said, loaded = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout.splitlines()
    assert said.endswith(" is imds-mock 1")
    assert loaded.startswith("0 ")
    return set(loaded.split())


@pytest.fixture(scope="module")
def first_response() -> Observation:
    return observe("off")


@pytest.fixture(scope="module")
def with_control_plane() -> Observation:
    return observe("on")


def test_garbage_is_collected_once_the_mock_answers(with_control_plane: Observation) -> None:
    assert with_control_plane.status == 200
    assert with_control_plane.collects


def test_garbage_is_collected_after_a_start_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # of the test's own process
    assert main(["serve", "--config", "/does/not/exist.yaml"]) == EX_CONFIG
    assert gc.isenabled()


@pytest.mark.parametrize("module", AFTER_THE_FIRST_RESPONSE)
def test_a_start_loads_only_what_the_first_response_needs(first_response: Observation, module: str) -> None:
    assert first_response.status == 200
    assert module not in first_response.loaded


@pytest.mark.parametrize("module", NEVER)
def test_a_serving_process_loads_only_what_the_mock_uses(with_control_plane: Observation, module: str) -> None:
    assert {"ssl", "starlette", "uvicorn"} & with_control_plane.loaded == {"starlette", "uvicorn"}
    assert module not in with_control_plane.loaded


def test_a_program_that_embeds_a_mock_has_all_modules() -> None:
    code = (
        "import imds_mock.testing\n"
        "with imds_mock.testing.ImdsMock():\n"
        "  import configparser, html, http.client, logging.config, ssl, _hashlib\n"
        "ssl.create_default_context(), http.client.HTTPConnection('127.0.0.1'), html.escape('<')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("module", ["asyncio", "hashlib", "ipaddress", "json", "msgspec", "pathlib", "threading"])
def test_a_health_check_loads_little(health_check: set[str], module: str) -> None:
    assert "imds_mock.wire.health" in health_check
    assert module not in health_check


@pytest.mark.parametrize("module", ["imds_mock.events", "msgspec", "shutil", "ssl", "yaml"])
@pytest.mark.parametrize("command", ["--url unix:/does/not/exist requests", "status --url=unix:/does/not/exist"])
def test_ctl_loads_what_its_command_needs(command: str, module: str) -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv.pop(1).split(':')\n"
        "from imds_mock.cli import main\n"
        "print(main(), *(name for name, module in sys.modules.items() if getattr(module, '__spec__', None)))"
    )
    paths = ":".join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, paths, "ctl", *command.split()],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    exit_code, *loaded = done.stdout.split()
    assert int(exit_code) == EX_UNAVAILABLE
    assert "imds_mock.ctl.client" in loaded
    assert module not in loaded
