"""Print an override for your own compose file: the mock, and for each service named what leads it there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

# Those of `imds_mock.compose.override`, which the help does without; a test compares them.
WAYS = ("link-local-ip", "shared-namespace", "environment")
REFUSED = ("entrypoint-shim", "link-local-route", "link-local-network", "host", "kubernetes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = "docker compose --file compose.yaml --file imds.override.yaml up"
    parser.add_argument("--services", required=True, metavar="A,B", help="services that use the mock")
    parser.add_argument(
        "--way",
        choices=(*WAYS, *REFUSED),
        default=WAYS[0],
        metavar="WAY",
        help=f"how they reach it: {', '.join(WAYS)} (default: %(default)s)",
    )
    parser.add_argument(
        "--file",
        metavar="FILE",
        help="your compose file, or - for what `docker compose config` prints: checks the services, and finds their "
        "networks (default: all are on the project's own)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    from imds_mock.compose import override, project  # noqa: PLC0415 - help does without it

    names = override.names(arguments.services)
    known: dict[str, Any] = {} if arguments.file is None else project.read(_text(arguments.file))
    services = [project.service(known, name) if known else project.Service(name) for name in names]
    sys.stdout.write(override.made(arguments.way, services, list(known)))
    return 0


def _text(file: str) -> str:
    from imds_mock.compose.errors import ComposeFileError  # noqa: PLC0415 - help does without it
    from imds_mock.standard_input import read_input  # noqa: PLC0415

    try:
        if file == "-":
            return read_input("`docker compose config` prints what belongs there; with `docker run`, add --interactive")
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise ComposeFileError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ComposeFileError(f"{file} is not UTF-8 text") from error
