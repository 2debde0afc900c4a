"""`imds-mock serve` as a program, at 169.254.169.254 in a network namespace or on a free port of loopback.

It ends as users end it: with SIGTERM. Its exit code must be 0, and its log must contain requests only.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import re
import signal
import subprocess
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from support.paths import IMDS_MOCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from netlab import Namespace

IPV4: Final = "169.254.169.254"
IPV6: Final = "fd00:ec2::254"
START_SECONDS: Final = 60
PROGRAM_SECONDS: Final = 600
_ANSWERS: Final = re.compile(r"imds-mock: \S+ answers on (\S+:\d+)")
_CONTROL_PLANE: Final = "imds-mock: control plane on "


@dataclass(frozen=True)
class LoggedRequest:
    """A request in the access log."""

    caller: str
    method: str
    path: str
    status: int
    version: str


class ImdsProgram:
    """A running mock; `running_imds` creates it."""

    def __init__(
        self,
        configuration: Path,
        argv: Sequence[str | Path],
        namespace: Namespace | None,
        environment: Mapping[str, str],
    ) -> None:
        self._namespace = namespace
        self.environment = dict(environment)
        self.configuration = configuration
        self.process = subprocess.Popen(
            self._inside([IMDS_MOCK, "serve", "--config", configuration, "--access-log", "json", *argv]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self._complaints: list[str] = []
        self._marks = itertools.count()

    def _inside(self, argv: Sequence[str | Path]) -> list[str]:
        return [str(word) for word in argv] if self._namespace is None else self._namespace.command(argv)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put(None)

    def await_ready(self) -> None:
        """Wait until it reports its address and answers the probe."""
        said = []
        while (line := self._lines.get(timeout=START_SECONDS)) is not None:
            said.append(line)
            if answers := _ANSWERS.match(line):
                self.url = f"http://{answers[1].removesuffix(':80')}"
                break
        else:
            raise AssertionError(f"imds-mock ended before it listened: {''.join(said)}")
        self.run([IMDS_MOCK, "health", "--url", self.url])

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        check: bool = True,
        stdin: str = "",
        variables: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the mock's network namespace.

        Args:
            argv: Program and arguments.
            check: Fail if the exit code is not 0, and show the output.
            typed: Standard input.
            variables: Environment variables in addition to `environment`.
        """
        done = subprocess.run(
            self._inside(argv),
            check=False,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PROGRAM_SECONDS,
            env=self.environment | dict(variables or {}),
        )
        assert not check or done.returncode == 0, (done.args, done.returncode, done.stdout, done.stderr)
        return done

    @contextlib.contextmanager
    def started(self, argv: Sequence[str | Path], variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
        """Start a program in the mock's network namespace; it is killed if it still runs when the block ends."""
        with subprocess.Popen(
            self._inside(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment | dict(variables),
        ) as program:
            try:
                yield program
            finally:
                program.kill()

    def curl(self, path: str, *options: str, check: bool = True) -> str:
        """The output of curl for a path of the service."""
        return self.run(["curl", "--silent", "--show-error", *options, f"{self.url}{path}"], check=check).stdout

    def token(self, ttl_seconds: int = 60) -> str:
        """A new session token, requested with curl."""
        return self.curl("/latest/api/token", "-X", "PUT", "-H", f"X-aws-ec2-metadata-token-ttl-seconds: {ttl_seconds}")

    def read(self, path: str, *, with_token: bool = True) -> str:
        """The body of a leaf or listing, read with curl."""
        options = ("-H", f"X-aws-ec2-metadata-token: {self.token()}") if with_token else ()
        return self.curl(path, "--fail", *options)

    def asked(self) -> list[LoggedRequest]:
        """The requests since the last call, in order."""
        mark = f"/mark-{next(self._marks)}"
        self.curl(mark)
        asked: list[LoggedRequest] = []
        while (line := self._lines.get(timeout=START_SECONDS)) is not None:
            request = self._request(line)
            if request is None:
                continue
            if request.path == mark:
                return asked
            asked.append(request)
        raise AssertionError("imds-mock has ended")

    def await_request(self, method: str | None = None) -> LoggedRequest:
        """The next request in the access log; `asked` drops the earlier ones.

        Args:
            method: Wait for a request with this method; None: with any.
        """
        while (line := self._lines.get(timeout=START_SECONDS)) is not None:
            request = self._request(line)
            if request is not None and method in {None, request.method}:
                return request
        raise AssertionError("imds-mock has ended")

    def _request(self, line: str) -> LoggedRequest | None:
        try:
            entry = json.loads(line)
            return LoggedRequest(entry["caller"], entry["method"], entry["path"], entry["status"], entry["version"])
        except (ValueError, KeyError):
            if not line.startswith(_CONTROL_PLANE):
                self._complaints.append(line)
            return None

    def stop(self) -> None:
        """Send SIGTERM; fail if it has logged anything but requests."""
        self.asked()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self._reader.join()
        while (line := self._lines.get()) is not None:
            self._request(line)
        assert self.process.stdout is not None
        ended = (code, self.process.stdout.read(), "".join(self._complaints))
        assert ended == (0, "", ""), ended

    def close(self) -> None:
        """Kill it and close its pipes, whatever the test's result."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


@contextlib.contextmanager
def running_imds(
    document: Mapping[str, Any], folder: Path, *, namespace: Namespace | None = None, options: Sequence[str] = ()
) -> Iterator[ImdsProgram]:
    """Run a mock until the block ends.

    Args:
        document: Its configuration.
        folder: For configuration and keys, and the home folder of the programs that `run` starts.
        namespace: Network namespace in which it gets the real addresses; None: a free port of loopback.
        options: Additional arguments of `serve`.
    """
    configuration = folder / "imds-mock.json"
    signing = {"signing": {"key_directory": str(folder / "keys")}}
    configuration.write_text(json.dumps(dict(document) | signing))
    hosts = [IPV4, IPV6] if namespace else ["127.0.0.1"]
    if namespace:
        namespace.ip("address", "add", f"{IPV4}/32", "dev", "lo")
        namespace.ip("address", "add", f"{IPV6}/128", "dev", "lo", "nodad")
    argv = [
        *("--port", "80" if namespace else "0"),
        *(word for host in hosts for word in ("--host", host)),
        *("--set", f"control.socket={folder / 'control.sock'}"),
    ]
    # A key or proxy from the test's own environment would keep clients from asking the mock.
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    imds = ImdsProgram(configuration, [*argv, *options], namespace, environment)
    try:
        imds.await_ready()
        yield imds
        imds.stop()
    finally:
        imds.close()
