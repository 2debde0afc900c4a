"""What the pictures show: a mock and four containers of a Compose project, on a network without a way out.

The containers are network namespaces of this kernel. Each runs the shim, which redirects 169.254.169.254 to the mock,
and then its application. A name server in the mock's namespace knows their names, as a container engine's does.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from netlab import Lab
from support.bridge import Bridge

if TYPE_CHECKING:
    from types import TracebackType

    from netlab import Namespace

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / ".venv" / "bin"
PROJECT = "shop"
MOCK_ADDRESS = "172.18.0.2"
APPLICATIONS = (
    ("web-1", "web", "172.18.0.3", "4"),
    ("worker-1", "worker", "172.18.0.4", "2"),
    ("worker-2", "worker", "172.18.0.5", "7"),
    ("cron-1", "cron", "172.18.0.6", "6"),
)
"""Container without the project's name, service, address, and seconds between two requests."""

_NAME_SERVER = """
import json, sys
from support.name_server import ScriptedNameServer
with ScriptedNameServer(json.loads(sys.argv[1]), "127.0.0.11", 53):
    print("ready", flush=True)
    sys.stdin.read()
"""
_PATIENCE_SECONDS = 60


class Scene:
    """The running mock and containers; a context manager that removes all of them.

    Args:
        folder: A new folder for sockets and files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self.environment = {
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "XDG_RUNTIME_DIR": str(folder),
        }

    def __enter__(self) -> Self:
        bridge = Bridge(self._stack.enter_context(Lab()))
        self.mock = bridge.plug("mock", f"{MOCK_ADDRESS}/16")
        self._start_mock()
        hosts = self._folder / "hosts"
        hosts.write_text(f"127.0.0.1 localhost\n{MOCK_ADDRESS} mock_metadata\n")
        for container, service, address, seconds in APPLICATIONS:
            space = bridge.plug(container, f"{address}/16")
            space.ip("route", "add", "default", "via", MOCK_ADDRESS)
            space.bind(hosts, "/etc/hosts")
            words: list[str | Path] = [
                "imds-shim",
                PROGRAMS / "python",
                ROOT / "scripts/picture_application.py",
                service,
                seconds,
            ]
            self._start(space, words, MOCK_HOSTNAME="mock_metadata", PYTHONUNBUFFERED="1")
        self._await_callers()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def ctl(self, *words: str) -> Any:
        """The response of `imds-mock ctl`."""
        command: list[str | Path] = [PROGRAMS / "imds-mock", "ctl", *words, "--json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def _start_mock(self) -> None:
        resolver = self._folder / "resolv.conf"
        resolver.write_text("nameserver 127.0.0.11\noptions timeout:1 attempts:1\n")
        self.mock.bind(resolver, "/etc/resolv.conf")
        names = self._start(
            self.mock,
            [sys.executable, "-c", _NAME_SERVER, json.dumps(_records())],
            PYTHONPATH=str(ROOT / "tests"),
            output=subprocess.PIPE,
        )
        if names.stdout is None or names.stdout.readline() != "ready\n":
            raise RuntimeError("the name server did not start")
        self._start(self.mock, ["imds-mock", "serve", "--port", "80", "--access-log", "off"])
        self._await(lambda: list(self._folder.glob("imds-mock/*.sock")), "the mock did not start")

    def _start(
        self, space: Namespace, words: list[str | Path], output: int | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        log = self._stack.enter_context((self._folder / f"{space.name}.log").open("a"))
        process = space.popen(
            words, stdin=subprocess.PIPE, stdout=output or log, stderr=log, env={**self.environment, **environment}
        )
        self._stack.callback(_end, process)
        return process

    def _await_callers(self) -> None:
        expected = {f"{PROJECT}-{container}" for container, *_ in APPLICATIONS}
        self._await(
            lambda: expected <= {name for each in self.ctl("callers") for name in each["names"]},
            "not every container has sent a request",
        )

    def _await(self, condition: Any, otherwise: str) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                logs = [path.read_text() for path in self._folder.glob("*.log")]
                raise RuntimeError(f"{otherwise}: {logs}")
            time.sleep(0.2)


def _records() -> dict[str, dict[str, list[str]]]:
    records: dict[str, dict[str, list[str]]] = {}
    for container, service, address, _seconds in APPLICATIONS:
        name = f"{PROJECT}-{container}.{PROJECT}_default."
        records[f"{ip_address(address).reverse_pointer}."] = {"PTR": [name]}
        records[name] = {"A": [address]}
        records.setdefault(f"{service}.", {"A": []})["A"].append(address)
    return records


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
