"""The command `ec2-metadata-mock`, and `imds-mock` when it is given that command's arguments."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Final

from imds_mock.errors import MockError
from imds_mock.log import install, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imds_mock.aemm.arguments import Arguments

_COMMAND: Final = "ec2-metadata-mock"
_OF_IMDS_MOCK: Final = ("-h", "--help", "--version")


def main() -> int:
    """Run `ec2-metadata-mock` with the process's own arguments.

    Returns:
        The exit code.
    """
    return run(sys.argv[1:], os.environ, f"the command is {_COMMAND}")


def is_meant(argv: Sequence[str]) -> bool:
    """Whether arguments of `imds-mock` are those of `ec2-metadata-mock`.

    Args:
        argv: The words after the program's name; the first is no subcommand of `imds-mock`.
    """
    from imds_mock.aemm.arguments import is_ours  # noqa: PLC0415 - `imds-mock` does without it otherwise

    return bool(argv) and argv[0] not in _OF_IMDS_MOCK and is_ours(argv[0])


def run(argv: Sequence[str], environ: Mapping[str, str], reason: str) -> int:
    """Do what a command line says.

    Args:
        argv: The words after the program's name.
        environ: The environment.
        reason: Why the words are taken for those of `ec2-metadata-mock`.

    Returns:
        The exit code.
    """
    # As PID 1 a signal without a handler is ignored; the event loop's handlers come later.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    from imds_mock.aemm.arguments import parse  # noqa: PLC0415 - after the handlers: loading takes most of the start

    try:
        arguments = parse(argv)
        if arguments.asks:
            sys.stdout.write(_asked(arguments))
            return 0
        install()
        from imds_mock.aemm.running import Run, serve  # noqa: PLC0415 - help and version do without
        from imds_mock.run.loading import load  # noqa: PLC0415

        serve(Run(environ, lambda: load({}, environ, None), reason, arguments))
    except MockError as error:
        say(str(error))
        return error.exit_code
    return 0


def _asked(arguments: Arguments) -> str:
    from imds_mock.aemm import usage  # noqa: PLC0415 - only this needs it

    if arguments.asks == "help":
        return usage.help_text(arguments.command)
    return usage.version_text() if arguments.asks == "version" else usage.completion_text(arguments.extra)
