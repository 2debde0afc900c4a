"""Ask a running mock whether it answers; exit code 0 if it does, 1 if it does not."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from imds_mock.health import probe

if TYPE_CHECKING:
    import argparse

_DEFAULT_PORT = 1338


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--url",
        default=_default_url(),
        help="http://HOST:PORT of the mock (default: %(default)s; IMDS_MOCK_HOSTS and IMDS_MOCK_PORT count)",
    )
    parser.add_argument("--timeout", type=float, default=2.0, metavar="SECONDS", help="(default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Ask."""
    sys.stdout.write(f"{arguments.url} is imds-mock {probe(arguments.url, arguments.timeout)}\n")
    return 0


def _default_url() -> str:
    host = os.environ.get("IMDS_MOCK_HOSTS", "").split(",")[0].strip()
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104 - listening on all addresses includes loopback
        host = "::1" if host == "::" else "127.0.0.1"
    port = os.environ.get("IMDS_MOCK_PORT") or _DEFAULT_PORT
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
