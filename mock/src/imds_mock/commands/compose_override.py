"""Print an override for your compose file that adds the mock and connects the named services to it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

# Copies of the keys in `imds_mock.compose.override`, which the help does not import; a test compares them.
WAYS = ("link-local-ip", "shared-namespace", "environment")
UNSUPPORTED_WAYS = ("entrypoint-shim", "link-local-route", "link-local-network", "host", "kubernetes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = "docker compose --file compose.yaml --file imds.override.yaml up"
    parser.add_argument("--services", required=True, metavar="A,B", help="services that use the mock")
    parser.add_argument(
        "--way",
        choices=(*WAYS, *UNSUPPORTED_WAYS),
        default=WAYS[0],
        metavar="WAY",
        help=f"how they reach the mock: {', '.join(WAYS)} (default: %(default)s)",
    )
    parser.add_argument(
        "--file",
        metavar="FILE",
        help="your compose file, or - for the output of `docker compose config`; provides the services' networks and "
        "replicas (default: one replica on the project's default network)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the override."""
    from imds_mock.compose import override, project  # noqa: PLC0415 - not needed for help

    names = override.names(arguments.services)
    known: dict[str, Any] = {} if arguments.file is None else project.read(_text(arguments.file))
    services = project.select(known, names) if known else [project.Service(name) for name in names]
    sys.stdout.write(override.write_override(arguments.way, services, list(known)))
    return 0


def _text(file: str) -> str:
    from imds_mock.compose.project import ComposeFileError  # noqa: PLC0415 - not needed for help
    from imds_mock.standard_input import read_input  # noqa: PLC0415

    try:
        if file == "-":
            return read_input("`docker compose config` prints what belongs there; with `docker run`, add --interactive")
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise ComposeFileError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ComposeFileError(f"{file} is not UTF-8 text") from error
