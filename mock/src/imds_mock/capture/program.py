"""Capture a running metadata service as a configuration of imds-mock.

Credentials are never requested. User data is left out unless --include-user-data is given.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from typing import Any

from imds_mock.capture.client import CaptureError, Client
from imds_mock.capture.configuration import notes, write_configuration
from imds_mock.capture.walk import walk

_ENDPOINT_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
_DEFAULT_ENDPOINT = "http://169.254.169.254"
_CANNOT_CREATE, _CANNOT_WRITE = 73, 74  # of sysexits.h
_READER_GONE = 128 + 13  # as a shell reports SIGPIPE
_MAX_TIMEOUT_SECONDS = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--endpoint",
        default=os.environ.get(_ENDPOINT_VARIABLE) or _DEFAULT_ENDPOINT,
        metavar="URL",
        help=f"address of the metadata service (default: {_ENDPOINT_VARIABLE}, or {_DEFAULT_ENDPOINT})",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="file to write (default: standard output)")
    parser.add_argument(
        "--include-user-data", action="store_true", help="include the user data, which may contain secrets"
    )
    parser.add_argument(
        "--timeout", type=_seconds, default=5.0, metavar="SECONDS", help="timeout of a request (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Capture and write the configuration.

    Raises:
        CaptureError: The service cannot be captured, or the file cannot be written.
    """
    with contextlib.closing(Client(arguments.endpoint, arguments.timeout)) as client:
        client.open()
        walked = walk(client, include_user_data=arguments.include_user_data, progress=_Progress())
    text = write_configuration(walked)
    if arguments.output is None:
        sys.stdout.write(text)
    else:
        try:
            with open(arguments.output, "w", encoding="utf-8") as file:  # noqa: PTH123 - standard output needs no path
                file.write(text)
        except OSError as error:
            sentence = f"cannot write {arguments.output}: {error.strerror}; choose another file with --output"
            raise CaptureError(sentence, _CANNOT_CREATE) from error
    for note in notes(walked):
        _say(note)


def main() -> int:
    """Run as a program of its own; returns the exit code."""
    parser = _Parser(prog="capture.py", description=__doc__)
    add_arguments(parser)
    try:
        try:
            run(parser.parse_args())
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except CaptureError as error:
        _say(str(error))
        return error.exit_code
    except OSError as error:  # of standard output; the others have become a CaptureError
        # Otherwise the interpreter tries to write the rest at the exit, and reports the error again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return _READER_GONE
        _say(f"cannot write to standard output: {error.strerror}")
        return _CANNOT_WRITE
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser that does not ignore that its help cannot be written, as argparse does."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if message and file is not None and file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)


def _say(sentence: str) -> None:
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"imds-mock capture: {sentence}\n")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _MAX_TIMEOUT_SECONDS:
        sentence = f"expected a number of seconds above 0 and up to {_MAX_TIMEOUT_SECONDS:.0f}, got {text!r}"
        raise argparse.ArgumentTypeError(sentence)
    return seconds


class _Progress:
    """Writes the number of paths to a terminal, once a second."""

    def __init__(self) -> None:
        self._next = time.monotonic() + 1

    def __call__(self, paths: int) -> None:
        if time.monotonic() >= self._next and sys.stderr.isatty():
            self._next = time.monotonic() + 1
            _say(f"{paths} paths")
