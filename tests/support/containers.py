"""Real containers for the end-to-end tests: a thin wrapper around the docker command, under names of our own."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

# Whatever a test makes begins with this, so that it can be told from a user's own.
PREFIX = "imds-e2e"
IMDS = "http://169.254.169.254"
INSTANCE_ID = "i-1234567890abcdef0"

Completed = subprocess.CompletedProcess[str]


@dataclass
class Docker:
    """The docker command in the environment in which it finds the engine."""

    environment: Mapping[str, str]
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __call__(
        self, *words: str | Path, check: bool = True, input_text: str | None = None, timeout: float = 600
    ) -> Completed:
        """Run `docker WORDS...`; a failure shows what docker said."""
        done = subprocess.run(
            ["docker", *map(str, words)],
            cwd=ROOT,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL if input_text is None else None,
            input=input_text,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"docker {' '.join(map(str, words))} ended with {done.returncode}:\n{done.stderr}")
        return done

    def name(self) -> str:
        """A name for a container, network or project that nobody has."""
        return f"{PREFIX}-{os.getpid()}-{next(self._numbers)}"

    def build(self, tag: str, folder: Path, *words: str) -> str:
        """Build an image; returns its tag."""
        self("build", "--tag", tag, *words, folder)
        return tag

    def inspect(self, container: str, path: str) -> Any:
        """One value of what docker knows about a container, as `.State.Health.Status`."""
        return json.loads(self("inspect", "--format", "{{json " + path + "}}", container).stdout)

    @contextlib.contextmanager
    def network(self, *words: str) -> Iterator[str]:
        """A network, removed at the end."""
        name = self.name()
        self("network", "create", *words, name)
        try:
            yield name
        finally:
            self("network", "rm", name)

    @contextlib.contextmanager
    def container(self, image: str, command: Sequence[str] = (), options: Sequence[str] = ()) -> Iterator[str]:
        """A container in the background, removed at the end; gives its name."""
        name = self.name()
        self("run", "--detach", "--name", name, *options, image, *command)
        try:
            yield name
        finally:
            self("rm", "--force", "--volumes", name)

    def await_log(self, container: str, text: str, seconds: float = 60) -> str:
        """Wait until the container has said something; returns all that it said so far."""
        follow = subprocess.Popen(
            ["docker", "logs", "--follow", container],
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # The log ends with the container; where that goes on in silence, the timer ends the reading.
        timer = threading.Timer(seconds, follow.kill)
        said = []
        with follow:
            timer.start()
            try:
                for line in follow.stdout or ():
                    said.append(line)
                    if text in line:
                        return "".join(said)
            finally:
                timer.cancel()
                follow.kill()
        raise AssertionError(f"the container did not say {text!r} within {seconds} s; it said:\n{''.join(said)}")


def served_credentials(docker: Docker, container: str) -> dict[str, str]:
    """The role's credentials as curl reads them in a container: the truth that clients are held against."""
    address = f"{IMDS}/latest/meta-data/iam/security-credentials/"
    role = docker("exec", container, "curl", "-s", address).stdout
    served: dict[str, str] = json.loads(docker("exec", container, "curl", "-s", address + role).stdout)
    return served
