"""Runs `imds-mock serve` with both planes, and `imds-mock ctl` in the same environment."""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest import mock

from imds_mock.cli import main
from support.paths import IMDS_MOCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@dataclass
class RunningProgram:
    """A running `imds-mock serve`."""

    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    lines: list[str]
    port: int
    unread: str = ""
    seen: int = 0

    def await_line(self, pattern: str) -> re.Match[str]:
        """The first log line after the last one found that matches; fails after a minute without a line."""
        log = self.process.stderr
        assert log is not None
        while True:
            *lines, self.unread = self.unread.split("\n")
            self.lines += lines
            for line in self.lines[self.seen :]:
                self.seen += 1
                if found := re.search(pattern, line):
                    return found
            ready, _, _ = select.select([log], [], [], 60)
            part = os.read(log.fileno(), 65536).decode() if ready else ""
            assert part, f"no line matches {pattern!r}: {self.lines}"
            self.unread += part

    def ctl(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `imds-mock ctl`, which finds the mock itself; in this process unless it reads standard input."""
        if stdin is None:
            out, errors = io.StringIO(), io.StringIO()
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(errors),
                mock.patch.dict(os.environ, self.environment, clear=True),
            ):
                try:
                    code = main(["ctl", *arguments])
                except SystemExit as ended:
                    code = int(ended.code or 0)
            return subprocess.CompletedProcess(arguments, code, out.getvalue(), errors.getvalue())
        return subprocess.run(
            [IMDS_MOCK, "ctl", *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def end(self) -> int:
        """Stop it with SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.lines.append(self.unread + self.process.communicate(timeout=60)[1].decode())
        return self.process.returncode


@contextlib.contextmanager
def running_program(folder: Path, options: Sequence[str] = (), **environment: str) -> Iterator[RunningProgram]:
    """Run `imds-mock serve` on a free port of loopback until the block ends.

    Args:
        folder: Where its Unix socket goes.
        options: Further options.
        environment: Further environment variables.
    """
    environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(folder), **environment}
    process = subprocess.Popen(
        [IMDS_MOCK, "serve", "--host", "127.0.0.1", "--port", "0", *options],
        env=environment,
        stderr=subprocess.PIPE,
    )
    program = RunningProgram(process, environment, [], 0)
    try:
        program.port = int(program.await_line(r"answers on 127\.0\.0\.1:(\d+)")[1])
        program.seen = 0  # what was said before is a line to wait for as well
        yield program
    finally:
        process.kill()
        process.communicate()
