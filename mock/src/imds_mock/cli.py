"""The command `imds-mock`: imports only the subcommand that it runs, so a health check costs little."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from typing import TYPE_CHECKING, Final

from imds_mock.arguments import Parser
from imds_mock.commands import COMMANDS, SERVING, load
from imds_mock.errors import EX_IOERR, EX_USAGE, MockError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

# Commands turn the errors of their own files into a MockError, so one of these is standard output's.
_UNWRITABLE: Final = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_READER_GONE: Final = 128 + 13  # as a shell reports SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        argv: Arguments without the program's name; None uses those of the process.

    Returns:
        The exit code.
    """
    if sys.stdout is None:  # closed
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - until the end; pathlib takes long to import
    try:
        try:
            return _run(list(sys.argv[1:] if argv is None else argv), is_process=argv is None)
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        return _without_output(error)


def _run(arguments: Sequence[str], *, is_process: bool) -> int:
    name = arguments[0] if arguments else ""
    if is_process:
        _leave_out_unused(name)
    try:
        if name not in COMMANDS:
            return _without_command(arguments)
        command, parser = _command(name, arguments[1:])
        return int(command.run(parser.parse_args(arguments[1:])))
    except MockError as error:
        from imds_mock.log import say  # noqa: PLC0415 - a health check that succeeds does without it

        say(str(error))
        return error.exit_code


def _without_output(error: OSError) -> int:
    """Discard the rest of the output, so that the exit does not report the error again; returns the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return _READER_GONE
    from imds_mock.log import say  # noqa: PLC0415 - as above

    say(f"cannot write to standard output: {error.strerror}")
    return EX_IOERR


def _leave_out_unused(name: str) -> None:
    is_serving = name in SERVING or name not in COMMANDS
    if is_serving or name == "ctl":
        from imds_mock.unused_modules import leave_out  # noqa: PLC0415 - most commands do without it

        if name and name not in COMMANDS:
            # A module that is loaded stays: the arguments of amazon-ec2-metadata-mock are quoted for a notice.
            importlib.import_module("shlex")
        leave_out(*(() if is_serving else ("_hashlib", "ssl")))


def _command(name: str, words: Sequence[str] = ()) -> tuple[ModuleType, Parser]:
    command = load(name)
    parser = Parser(prog=f"imds-mock {name}", description=command.__doc__)
    if name == "ctl":
        command.add_arguments_for(words, parser)
    else:
        command.add_arguments(parser)
    return command, parser


def _without_command(arguments: Sequence[str]) -> int:
    from imds_mock.commands import ec2_metadata_mock as program  # noqa: PLC0415 - the subcommands do without it

    if not program.is_meant(arguments, os.environ):
        return _top_level(arguments)
    if not arguments:
        return program.run(arguments, os.environ, program.reason_of(os.environ))
    from imds_mock.aemm.native_arguments import NativeArguments  # noqa: PLC0415 - only this needs it

    flags = [flag for action in _command("serve")[1]._actions for flag in action.option_strings]  # noqa: SLF001 - argparse has no public list
    return program.run(arguments, os.environ, f"the first argument is {arguments[0]}", NativeArguments(COMMANDS, flags))


def _top_level(arguments: Sequence[str]) -> int:
    listed = "\n".join(f"  {name:<17} {text}" for name, text in COMMANDS.items())
    parser = Parser(
        prog="imds-mock",
        usage="imds-mock COMMAND [OPTION...]",
        description=f"EC2 instance metadata service (IMDS) for development and tests.\n\ncommands:\n{listed}",
        epilog="Run imds-mock COMMAND --help for more about a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument("command", nargs="?", choices=COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    if parser.parse_args(arguments).version:
        from importlib.metadata import version  # noqa: PLC0415 - slow to import, and only this needs it

        print(f"imds-mock {version('imds-mock')}")
        return 0
    parser.print_help(sys.stderr)
    return EX_USAGE
