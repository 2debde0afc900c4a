"""Capture a running metadata service as a configuration: an EC2 instance's, this mock's or another one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from imds_mock.capture import program
from imds_mock.capture.client import CaptureError
from imds_mock.errors import MockError

if TYPE_CHECKING:
    import argparse


class CaptureFailedError(MockError):
    """A metadata service that cannot be captured, or a file that cannot be written."""

    def __init__(self, sentence: str, exit_code: int) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    program.add_arguments(parser)
    parser.epilog = (
        "On an instance without imds-mock: imds-mock capture --print-program | ssh HOST python3 - > captured.yaml"
    )
    parser.add_argument(
        "--print-program",
        action="store_true",
        help="print this command as one Python file that needs only the standard library",
    )


def run(arguments: argparse.Namespace) -> int:
    """Capture, or print the program."""
    if arguments.print_program:
        from imds_mock.capture.bundle import bundle  # noqa: PLC0415 - only this needs it

        sys.stdout.write(bundle())
        return 0
    try:
        program.run(arguments)
    except CaptureError as error:
        raise CaptureFailedError(str(error), error.exit_code) from error
    return 0
