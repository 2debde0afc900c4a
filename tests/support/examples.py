"""The examples: folders with compose files and a page, and the commands on that page."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.containers import IMDS
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.containers import Completed, Docker

FOLDER = ROOT / "examples"
_URL = f"{IMDS}/latest/meta-data/instance-id"
ASK = ("curl", "-sf", "--max-time", "1", _URL)
_SECONDS = 600
_CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # a terminal does not show it
_DOWN_SECONDS = 10  # the engine waits as long before it sends SIGKILL


def with_compose_files() -> list[str]:
    """The names of the examples with a compose file."""
    return sorted(file.parent.name for file in FOLDER.glob("*/compose.yaml"))


@dataclass(frozen=True)
class Step:
    """One command of a `console` block and the output that the page shows.

    `...` in the output matches any text, and an empty output matches every output.
    """

    command: str
    printed: str

    def problem_with(self, done: Completed) -> str:
        """How a run differs from the page, or an empty string. A command that fails must end with the page's output."""
        if done.returncode == 0:
            is_as_shown = not self.printed or self._matches(_CONTROL_SEQUENCE.sub("", done.stdout).strip())
        else:
            is_as_shown = bool(self.printed) and re.search(self._pattern + r"\Z", done.stderr.strip()) is not None
        if is_as_shown:
            return ""
        outcome = f"(exit code {done.returncode}; the page shows: {self.printed!r})"
        return f"$ {self.command}\n{done.stdout}{done.stderr}{outcome}"

    def _matches(self, output: str) -> bool:
        return re.fullmatch(self._pattern, output, re.DOTALL) is not None

    @property
    def _pattern(self) -> str:
        return re.escape(self.printed).replace(re.escape("..."), ".*")


def files(page: str) -> dict[str, str]:
    """The files of a page, by name: code blocks below a line such as "`app.py`:"."""
    return dict(re.findall(r"^`([\w.-]+)`:\n\n```\w+\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))


def steps(page: str) -> list[Step]:
    """The commands of a page, in order."""
    blocks: list[str] = re.findall(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    found = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks), re.MULTILINE)
    return [Step(command, printed.strip()) for command, printed in found]


@dataclass
class Example:
    """An example on an engine, under its own Compose project unless a command names another."""

    docker: Docker
    name: str
    project: str = field(init=False)
    _projects: set[str] = field(default_factory=set)
    _networks: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.project = self.docker.name()
        self._projects.add(self.project)

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    def type(self, command: str) -> Completed:
        """Run a command line in the folder."""
        self._projects.update(re.findall(r" -p (\S+)", command))
        self._networks.update(re.findall(r"^docker network create .* (\S+)$", command))
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env={**self.docker.environment, "COMPOSE_PROJECT_NAME": self.project},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def compose(self, *words: str, file: str = "compose.yaml", check: bool = True) -> Completed:
        """Run `docker compose WORDS...` with one of its files."""
        project = ["--project-name", self.project, "--file", str(self.folder / file)]
        return self.docker("compose", *project, *words, check=check)

    def container(self, service: str, number: int = 1) -> str:
        """Name of a service's container."""
        return f"{self.project}-{service}-{number}"

    def transcript(self) -> list[str]:
        """Run the page's commands in order until one differs from the page; returns the difference."""
        for step in steps((self.folder / "README.md").read_text()):
            began = time.monotonic()
            if problem := step.problem_with(self.type(step.command)):
                return [problem]
            if step.command.endswith(" down") and time.monotonic() - began > _DOWN_SECONDS:
                return [f"$ {step.command}\n(takes as long as if a process ignores SIGTERM)"]
        return []

    def up(self, *words: str, file: str = "compose.yaml") -> None:
        """Start the example and wait until the mock answers."""
        self.compose("up", "--build", "--detach", *words, file=file)
        self.docker.await_log(self.container("mock_metadata"), "answers on", seconds=120)

    def ask(self, number: int = 1, file: str = "compose.yaml") -> Completed:
        """Read the instance id in one replica of the application."""
        return self.compose(
            "exec", "-T", "--index", str(number), "app", "curl", "-sf", "--max-time", "30", _URL, file=file, check=False
        )

    def down(self) -> None:
        """Remove everything that it has created."""
        everything = ("down", "--volumes", "--timeout", "0", "--remove-orphans", "--rmi", "local")
        for project in sorted(self._projects):
            self.docker("compose", "--project-name", project, *everything)
        for network in self._networks:
            self.docker("network", "rm", network, check=False)


@contextlib.contextmanager
def example(docker: Docker, name: str) -> Iterator[Example]:
    """An example, removed when the block ends."""
    made = Example(docker, name)
    try:
        yield made
    finally:
        made.down()
