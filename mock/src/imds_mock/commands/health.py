"""Check whether a running mock answers: exit code 0 if it does, 1 if not."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time

from imds_mock.addresses import host_and_port
from imds_mock.arguments import duration
from imds_mock.errors import ProbeError
from imds_mock.wire import listening
from imds_mock.wire.health import address_of, probe

_DEFAULT_PORT = 1338
_LONGEST_SECONDS = 3600.0
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--url",
        default=_default_url(),
        help="http://HOST:PORT of the mock (default: %(default)s, from IMDS_MOCK_HOSTS and IMDS_MOCK_PORT)",
    )
    where.add_argument("--pid", type=int, metavar="PID", help="check where this process listens (1 in a container)")
    parser.add_argument(
        "--timeout", type=_seconds, default=2.0, metavar="SECONDS", help="timeout (default: %(default)s)"
    )
    parser.add_argument("--wait", type=duration, metavar="DURATION", help="wait up to this time until the mock answers")


def run(arguments: argparse.Namespace) -> int:
    """Probe the mock."""
    if arguments.pid is None:
        address_of(arguments.url)  # waiting does not help an invalid one
    url, probe_id = _await(arguments) if arguments.wait else _answer(arguments, arguments.timeout)
    sys.stdout.write(f"{url} is imds-mock {probe_id}\n")
    return 0


def _await(arguments: argparse.Namespace) -> tuple[str, str]:
    deadline = time.monotonic() + arguments.wait
    pause = _FIRST_PAUSE_SECONDS
    while True:
        left = max(deadline - time.monotonic(), _FIRST_PAUSE_SECONDS)
        try:
            return _answer(arguments, min(arguments.timeout, left))
        except ProbeError as error:
            if time.monotonic() + pause >= deadline:
                raise ProbeError(f"{error}, after {arguments.wait:g} s") from error
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _answer(arguments: argparse.Namespace, timeout_seconds: float) -> tuple[str, str]:
    if arguments.pid is None:
        return arguments.url, probe(arguments.url, timeout_seconds)
    return _answer_of(arguments.pid, timeout_seconds)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _LONGEST_SECONDS:
        sentence = f"expected a number of seconds above 0 and up to {_LONGEST_SECONDS:.0f}, got {text!r}"
        raise argparse.ArgumentTypeError(sentence)
    return seconds


def _answer_of(pid: int, timeout_seconds: float) -> tuple[str, str]:
    """The URL of a process's data plane, and its answer; the control plane listens, too.

    Raises:
        ProbeError: None of its addresses is the data plane of a mock.
    """
    reasons = []
    for url in listening.urls(pid):
        try:
            return url, probe(url, timeout_seconds)
        except ProbeError as error:
            reasons.append(str(error))
    raise ProbeError("; ".join(reasons) or f"process {pid} does not listen on any TCP port that this user can see")


def _default_url() -> str:
    host = os.environ.get("IMDS_MOCK_HOSTS", "").split(",")[0].strip()
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104 - all addresses include loopback
        host = "::1" if host == "::" else "127.0.0.1"
    port = os.environ.get("IMDS_MOCK_PORT") or _DEFAULT_PORT
    return f"http://{host_and_port(host, port)}"
