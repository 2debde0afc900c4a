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
    from imds_mock.aemm.ordinary import Ordinary

_COMMAND: Final = "ec2-metadata-mock"
_OF_IMDS_MOCK: Final = ("-h", "--help", "--version")


def main() -> int:
    """Run `ec2-metadata-mock` with the process's own arguments.

    Returns:
        The exit code.
    """
    return run(sys.argv[1:], os.environ, f"the command is {_COMMAND}")


def is_meant(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether `imds-mock` is to be `ec2-metadata-mock`.

    Args:
        argv: The words after the program's name; the first is no subcommand of `imds-mock`. Without any, a variable of
            AEMM's decides.
        environ: The environment.
    """
    from imds_mock.aemm.arguments import is_ours  # noqa: PLC0415 - `imds-mock` does without it otherwise

    if not argv:
        return bool(reason_of(environ))
    return argv[0] not in _OF_IMDS_MOCK and is_ours(argv[0])


def reason_of(environ: Mapping[str, str]) -> str:
    """Why the environment makes a program without arguments `ec2-metadata-mock`; empty when it does not.

    Args:
        environ: The environment.

    Raises:
        ConfigError: The mock's own settings, which may select `compatibility: imds`, cannot be used.
    """
    from imds_mock.aemm.settings import set_by  # noqa: PLC0415 - as above

    if not set_by(environ):
        return ""
    from imds_mock.run.compatibility_choice import aemm_reason  # noqa: PLC0415
    from imds_mock.run.loading import load  # noqa: PLC0415

    return aemm_reason(load({}, environ, None), environ) or ""


def run(argv: Sequence[str], environ: Mapping[str, str], reason: str, ordinary: Ordinary | None = None) -> int:
    """Do what a command line says.

    Args:
        argv: The words after the program's name.
        environ: The environment.
        reason: Why the words are taken for those of `ec2-metadata-mock`.
        ordinary: What the words could have been meant for instead, when the program is `imds-mock`.

    Returns:
        The exit code.
    """
    # As PID 1 a signal without a handler is ignored; the event loop's handlers come later.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    # Until it means that the configuration is to be read again, it must not end the program.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from imds_mock.aemm.arguments import parse  # noqa: PLC0415 - after the handlers: loading takes most of the start

    try:
        if ordinary is not None:
            ordinary.require_aemm_s(argv)
        arguments = parse(argv)
        if arguments.asks:
            sys.stdout.write(_asked(arguments))
            return 0
        install()
        from imds_mock.aemm.running import Run, serve  # noqa: PLC0415 - help and version do without
        from imds_mock.config.sources import file_of  # noqa: PLC0415
        from imds_mock.run.loading import load  # noqa: PLC0415

        run_of = Run(
            environ,
            lambda: load({"compatibility": "aemm"}, environ, None),
            reason,
            arguments,
            file=file_of(environ, None),
            notice=ordinary.says(argv[0], arguments) if ordinary else "",
        )
        serve(run_of)
    except MockError as error:
        say(str(error))
        return error.exit_code
    return 0


def _asked(arguments: Arguments) -> str:
    from imds_mock.aemm import usage  # noqa: PLC0415 - only this needs it

    if arguments.asks == "help":
        return usage.help_text(arguments.command)
    return usage.version_text() if arguments.asks == "version" else usage.completion_text(arguments.extra)
