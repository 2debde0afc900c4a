"""Runs commands on this machine."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

from imds_mock.host.errors import HostError, MissingProgramError

_NOT_FOUND = 127
_SHELL = "/bin/sh"
_ADVICE = {"nft": "; install the package nftables or use --way alias", "ip": "; install the package iproute2"}
_NO_SHELL = "run imds-mock host on the machine itself, not in the mock's container"


class SystemShell:
    """`sh -e` with the administrators' folders in its PATH."""

    def __init__(self) -> None:
        path = os.environ.get("PATH", os.defpath)
        self._environment = {**os.environ, "PATH": f"{path}:/usr/sbin:/sbin", "LC_ALL": "C"}

    def run(self, command: str) -> None:
        """Print a command and run it.

        Raises:
            HostError: It failed.
        """
        sys.stdout.write(f"{command}\n")
        sys.stdout.flush()
        done = self._run(command)
        if done.returncode == _NOT_FOUND:
            program = shlex.split(command)[0]
            raise MissingProgramError(f"{program} is not installed{_ADVICE.get(program, '')}")
        if done.returncode:
            reason = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
            raise HostError(f"{command.splitlines()[0]!r} failed: {reason}")

    def read(self, command: str) -> tuple[str, str]:
        """The standard output and standard error of a command; no output if it fails."""
        done = self._run(command)
        return ("" if done.returncode else done.stdout), done.stderr

    def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # noqa: S603 - the only user input in these commands is a validated port number
                [_SHELL, "-ec", command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise MissingProgramError(f"{_SHELL} does not exist; {_NO_SHELL}") from error
