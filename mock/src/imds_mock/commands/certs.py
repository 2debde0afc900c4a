"""Export the certificates that verify the instance identity document."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import argparse

KEYS_SECONDS: Final = 20.0
"""How long a mock that was just started may take to generate its keys: 1 s, and longer on a busy machine."""
_PAUSE_SECONDS: Final = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=type(parser))
    export = actions.add_parser(
        "export",
        help="write signature.pem, pkcs7.pem and rsa2048.pem, named after the leaf that each verifies",
        description="Print the certificates of the mock that runs here as this user, or write each one to a file.",
    )
    export.add_argument("directory", nargs="?", type=Path, metavar="DIR", help="folder to write to (default: stdout)")
    export.add_argument("--config", type=Path, metavar="FILE", help="configuration file of the mock")


def run(arguments: argparse.Namespace) -> int:
    """Print or write the certificates."""
    from imds_mock import atomic_files, control_socket  # noqa: PLC0415 - help does without it
    from imds_mock.build.loading import load  # noqa: PLC0415 - as above
    from imds_mock.signing.keys import KeyDirectoryError, default_directory  # noqa: PLC0415 - as above

    configured = load({}, os.environ, arguments.config).signing.key_directory
    directory = None if configured is None else Path(configured)
    # A mock that was just started has no keys yet, and maybe no folder for them.
    is_expected = (default_directory() if directory is None else directory).is_dir() or control_socket.find(os.environ)
    certificates = _certificates(directory, KEYS_SECONDS if is_expected else 0)
    if arguments.directory is None:
        sys.stdout.write("".join(pem.decode() for pem in certificates.values()))
        return 0
    try:
        arguments.directory.mkdir(parents=True, exist_ok=True)
        for name, pem in certificates.items():
            path = arguments.directory / f"{name}.pem"
            atomic_files.replace(path, pem, 0o644)
            sys.stdout.write(f"{path}\n")
    except OSError as error:
        place = error.filename or arguments.directory
        raise KeyDirectoryError(f"cannot write to {place}: {error.strerror}; choose another folder") from error
    return 0


def _certificates(directory: Path | None, seconds: float) -> dict[str, bytes]:
    """The certificates in a folder, at the latest after some seconds."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed  # noqa: PLC0415 - as above

    from imds_mock.signing.keys import KeysMissingError, read_certificates  # noqa: PLC0415 - as above

    missing = retry_if_exception_type(KeysMissingError)
    retrying = Retrying(retry=missing, stop=stop_after_delay(seconds), wait=wait_fixed(_PAUSE_SECONDS), reraise=True)
    return retrying(read_certificates, directory)
