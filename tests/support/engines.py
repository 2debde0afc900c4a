"""The engines of the tier `engines`, with one interface: their programs, their compose, and projects on them."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from support.containers import IMDS
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

Completed = subprocess.CompletedProcess[str]
EXAMPLES = ROOT / "examples"
IMAGES = {
    "imds-mock": (".", "Dockerfile", ""),
    "imds-shim": (".", "Dockerfile.shim", "shim"),
    "imds-shim-debug": (".", "Dockerfile.shim", "debug"),
    "imds-application": ("examples/application", "Dockerfile", ""),
    "imds-entrypoint-shim": ("examples/entrypoint-shim", "Dockerfile", ""),
}
"""The images that all engines get, with folder, Dockerfile and target of each."""

_POLL_SECONDS = 0.2
_NUMBERS = itertools.count()


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait until a condition holds, and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(_POLL_SECONDS)
    return value


@dataclass
class Engine:
    """One engine with one compose.

    Attributes:
        title: Its name in the table.
        execute: Runs a command line where the engine is.
        program: `docker` or `podman`.
        compose_words: The words of its compose.
        folder: A folder that the engine sees.
    """

    title: str
    execute: Callable[[Sequence[str | Path]], Completed]
    program: str
    compose_words: tuple[str, ...]
    folder: Path

    def command(self, *argv: str | Path, check: bool = True) -> Completed:
        """Run a command line; a failure shows its output."""
        done = self.execute(argv)
        if check and done.returncode != 0:
            raise AssertionError(
                f"{' '.join(map(str, argv))} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done

    def __call__(self, *words: str | Path, check: bool = True) -> Completed:
        """Run `docker WORDS...` or `podman WORDS...`."""
        return self.command(self.program, *words, check=check)

    @contextlib.contextmanager
    def project(self, *files: Path, images: dict[str, str] | None = None, changes: Any = None) -> Iterator[Project]:
        """A project of compose files, removed when the block ends.

        Args:
            files: The compose files.
            images: Images for services, in place of a build.
            changes: One more compose file, as a document.
        """
        name = f"imds-engines-{next(_NUMBERS)}"
        override = {"services": {service: {"image": image} for service, image in (images or {}).items()}}
        written = []
        for number, document in enumerate((override, changes)):
            if document and document.get("services"):
                path = self.folder / f"{name}-{number}.yaml"
                path.write_text(yaml.safe_dump(document))
                written.append(path)
        project = Project(self, name, (*files, *written))
        try:
            yield project
        finally:
            project.compose("down", check=False)
            for path in written:
                path.unlink()


@dataclass
class Project:
    """A compose project on an engine."""

    engine: Engine
    name: str
    files: tuple[Path, ...]

    def compose(self, *words: str, check: bool = True) -> Completed:
        """Run the engine's compose on this project."""
        named = [word for file in self.files for word in ("--file", str(file))]
        return self.engine.command(*self.engine.compose_words, "--project-name", self.name, *named, *words, check=check)

    def up(self, *words: str) -> None:
        """Start the project without building anything."""
        self.compose("up", "--detach", "--no-build", *words)

    def containers(self, service: str) -> list[str]:
        """The ids of a service's containers, sorted by name."""
        labels = (f"com.docker.compose.project={self.name}", f"com.docker.compose.service={service}")
        filters = [word for label in labels for word in ("--filter", f"label={label}")]
        listed = self.engine("ps", "--all", *filters, "--format", "{{.Names}} {{.ID}}").stdout
        return [line.split()[1] for line in sorted(listed.splitlines())]

    def container(self, service: str) -> str:
        """The id of a service's only container."""
        (found,) = self.containers(service)
        return found

    def run_in(self, service: str, *argv: str, check: bool = True) -> Completed:
        """Run a program in a service's container."""
        return self.engine("exec", self.container(service), *argv, check=check)

    def ctl(self, *words: str, check: bool = True) -> Completed:
        """Run `imds-mock ctl` in the mock."""
        return self.run_in("mock_metadata", "imds-mock", "ctl", *words, check=check)

    def asked(
        self, path: str = "instance-id", service: str = "app", container: str | None = None, seconds: int = 30
    ) -> str:
        """A leaf as the application reads it at 169.254.169.254; empty if it gets none in time."""
        url = f"{IMDS}/latest/meta-data/{path}"
        where = container or self.container(service)
        return self.engine("exec", where, "curl", "-sf", "--max-time", str(seconds), url, check=False).stdout

    def until_asked(self, expected: str, seconds: float = 60, **where: Any) -> None:
        """Wait until the application reads a value of the instance's id."""
        until(
            lambda: self.asked(**where, seconds=1) == expected, seconds, f"{expected} at 169.254.169.254\n{self.logs()}"
        )

    def logs(self) -> str:
        """What the containers have printed."""
        shown = []
        for container in self.engine(
            "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={self.name}"
        ).stdout.split():
            done = self.engine("logs", container, check=False)
            shown.append(f"{done.stdout}{done.stderr}")
        return "\n".join(shown)

    def whoami(self, caller: str) -> list[dict[str, Any]]:
        """How the mock sees a caller."""
        shown = json.loads(self.ctl("whoami", "--caller", caller, "--json").stdout)
        return shown if isinstance(shown, list) else [shown]
