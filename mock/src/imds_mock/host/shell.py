"""The commands' way to the machine."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

from .errors import HostError, MissingProgramError

_NOT_FOUND = 127
_INSTEAD = {"nft": ": install the package nftables, or take --way alias", "ip": ": install the package iproute2"}


class SystemShell:
    """`sh -e`, which finds what only administrators have in their path; says what it runs."""

    def __init__(self) -> None:
        path = os.environ.get("PATH", os.defpath)
        self._environment = {**os.environ, "PATH": f"{path}:/usr/sbin:/sbin", "LC_ALL": "C"}

    def run(self, command: str) -> None:
        """Print it and run it."""
        sys.stdout.write(f"{command}\n")
        sys.stdout.flush()
        done = self._done(command)
        if done.returncode == _NOT_FOUND:
            program = shlex.split(command)[0]
            raise MissingProgramError(f"{program} is not installed here{_INSTEAD.get(program, '')}")
        if done.returncode:
            said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
            raise HostError(f"{command.splitlines()[0]!r} failed: {said}")

    def read(self, command: str) -> tuple[str, str]:
        """Run it silently."""
        done = self._done(command)
        return ("" if done.returncode else done.stdout), done.stderr

    def _done(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - the commands are this program's own; of a user's there is a port's number
            ["/bin/sh", "-ec", command],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
