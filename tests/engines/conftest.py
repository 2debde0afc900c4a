"""The engines: started at their first use, with the same images on each, and ended together.

The images are built once, on the engine of the end-to-end tests. The results become the table of docs/ways-in.md.
"""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

import pytest

import engines_install
from engine import engine as build_engine
from support.docker_machine import DockerMachine, docker_machine
from support.engine_root import EngineRoot
from support.engine_table import Results
from support.engines import IMAGES, Engine, until
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    Execute = Callable[[Sequence[str | Path]], subprocess.CompletedProcess[str]]

DOCKER = {"docker-26": "trixie", "docker-28": "testing"}
PODMAN = "trixie"
COMPOSES = {"docker-compose": ("docker", "compose"), "podman-compose": ("podman-compose",)}


@pytest.fixture(scope="session")
def keep() -> Iterator[Path]:
    """A folder on disk for the engines' data, removed at the end."""
    with engines_install.run_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def archive(keep: Path) -> Path:
    """The images, as `docker save` writes them."""
    path = keep / "images.tar"
    with build_engine() as environment:
        for name, (folder, file, target) in IMAGES.items():
            where = ["--file", str(ROOT / folder / file), *(["--target", target] if target else [])]
            words = ["docker", "build", "--quiet", "--tag", name, *where, str(ROOT / folder)]
            subprocess.run(words, env=dict(environment), check=True, capture_output=True)
        subprocess.run(["docker", "save", "--output", path, *IMAGES], env=dict(environment), check=True)
    path.chmod(0o644)
    return path


@pytest.fixture(scope="session")
def results() -> Iterator[Results]:
    """Collects what works on which engine, and writes it at the end of a complete run."""
    found = Results()
    yield found
    if found.is_complete:
        found.write()


class Machines:
    """The machines that run, and the engines on them.

    Args:
        keep: Folder for their data.
        archive: The images.
        stack: Ends the machines.
    """

    def __init__(self, keep: Path, archive: Path, stack: contextlib.ExitStack) -> None:
        self._keep, self._archive, self._stack = keep, archive, stack
        self.docker: dict[str, DockerMachine] = {}
        self._podman: dict[str, Execute] = {}

    def start(self, name: str) -> Engine:
        """Start an engine, such as `docker-28` or `podman-rootless-podman-compose`, unless it runs already."""
        if name in DOCKER:
            if name not in self.docker:
                made = docker_machine(engines_install.docker(DOCKER[name]), self._keep)
                self.docker[name] = self._stack.enter_context(made)
                loaded = self.docker[name].run(["docker", "load", "--quiet", "--input", self._archive])
                assert loaded.returncode == 0, loaded.stderr
            return Engine(name, self.docker[name].run, "docker", COMPOSES["docker-compose"], self._keep)
        kind, _, compose = name.removeprefix("podman-").partition("-")
        if kind not in self._podman:
            root = self._stack.enter_context(EngineRoot(engines_install.podman(PODMAN), self._keep))
            self._podman[kind] = _podman(root, self._archive, rootless=kind == "rootless")
        return Engine(name, self._podman[kind], "podman", COMPOSES[compose], self._keep)

    def connect(self, one: str, other: str) -> tuple[str, str]:
        """Connect two Docker engines with a link; returns the address of each."""
        addresses = ("10.216.0.1", "10.216.0.2")
        left, right = self.docker[one].space, self.docker[other].space
        left.ip("link", "add", "nodes0", "type", "veth", "peer", "name", "nodes0", "netns", str(right.pid))
        for space, address in zip((left, right), addresses, strict=True):
            space.ip("address", "add", f"{address}/24", "dev", "nodes0")
            space.ip("link", "set", "nodes0", "up")
        return addresses


@pytest.fixture(scope="session")
def machines(keep: Path, archive: Path) -> Iterator[Machines]:
    with contextlib.ExitStack() as stack:
        yield Machines(keep, archive, stack)


@pytest.fixture(scope="session")
def start(machines: Machines) -> Callable[[str], Engine]:
    return machines.start


@pytest.fixture(scope="session")
def connect(machines: Machines) -> Callable[[str, str], tuple[str, str]]:
    return machines.connect


def _podman(root: EngineRoot, archive: Path, *, rootless: bool) -> Execute:
    """Podman in a root directory, with its service for docker compose and the health checks that systemd would run."""
    socket = "/run/user/1000/podman.sock" if rootless else "/run/podman.sock"
    variables = {"DOCKER_HOST": f"unix://{socket}", "DOCKER_BUILDKIT": "0"}

    def execute(argv: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        return root.run(argv, variables, rootless=rootless)

    loaded = execute(["podman", "load", "--quiet", "--input", archive])
    assert loaded.returncode == 0, loaded.stderr
    root.popen(["podman", "system", "service", "--time=0", f"unix://{socket}"], rootless=rootless)
    until(lambda: execute(["docker", "version"]).returncode == 0, 60, "an answer of Podman's service")
    checks = "while sleep 1; do for each in $(podman ps --quiet); do podman healthcheck run $each; done; done"
    root.popen(["sh", "-c", f"{checks} >/dev/null 2>&1"], rootless=rootless)
    return execute
