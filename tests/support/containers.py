"""Containers for the end-to-end tests: a thin wrapper around the docker command."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

# Prefix of everything that tests create, so that it cannot be mistaken for a user's own.
PREFIX = "imds-e2e"
IMDS = "http://169.254.169.254"
INSTANCE_ID = "i-1234567890abcdef0"

Completed = subprocess.CompletedProcess[str]


@dataclass
class Docker:
    """The docker command, with the environment in which it finds the engine."""

    environment: Mapping[str, str]
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __call__(
        self, *words: str | Path, check: bool = True, input_text: str | None = None, timeout: float = 600
    ) -> Completed:
        """Run `docker WORDS...`; a failure shows docker's standard error."""
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
        """A unique name for a container, network or project."""
        return f"{PREFIX}-{os.getpid()}-{next(self._numbers)}"

    def build(self, tag: str, folder: Path, *words: str) -> str:
        """Build an image; returns its tag."""
        self("build", "--tag", tag, *words, folder)
        return tag

    def inspect(self, container: str, path: str) -> Any:
        """One value of `docker inspect`, such as `.State.Health.Status`."""
        return json.loads(self("inspect", "--format", "{{json " + path + "}}", container).stdout)

    @contextlib.contextmanager
    def network(self, *words: str) -> Iterator[str]:
        """Create a network; remove it when the block ends."""
        name = self.name()
        self("network", "create", *words, name)
        try:
            yield name
        finally:
            self("network", "rm", name)

    @contextlib.contextmanager
    def container(self, image: str, command: Sequence[str] = (), options: Sequence[str] = ()) -> Iterator[str]:
        """Run a container in the background; remove it when the block ends. Yields its name."""
        name = self.name()
        self("run", "--detach", "--name", name, *options, image, *command)
        try:
            yield name
        finally:
            self("rm", "--force", "--volumes", name)

    def await_log(self, container: str, text: str, seconds: float = 120) -> str:
        """Wait until the container's log contains a text; returns the log so far."""
        follow = subprocess.Popen(
            ["docker", "logs", "--follow", container],
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # The log ends with the container; the timer stops the reader if the container runs on in silence.
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
        raise AssertionError(f"the container did not print {text!r} within {seconds} s; its log:\n{''.join(said)}")

    def await_program(self, container: str, name: str, seconds: float = 120) -> None:
        """Wait until process 1 of a container is a program, by its name; before that, it is the shim.

        The shim's last line of the log is not enough: it drops privileges and becomes the program after it.
        """
        limit = time.monotonic() + seconds
        while (found := self("exec", container, "cat", "/proc/1/comm", check=False).stdout) != f"{name}\n":
            assert time.monotonic() < limit, f"process 1 is {found!r}, not {name!r}, after {seconds} s"


def served_credentials(docker: Docker, container: str) -> dict[str, str]:
    """The role's credentials as curl reads them in a container."""
    address = f"{IMDS}/latest/meta-data/iam/security-credentials/"
    role = docker("exec", container, "curl", "-s", address).stdout
    served: dict[str, str] = json.loads(docker("exec", container, "curl", "-s", address + role).stdout)
    return served
