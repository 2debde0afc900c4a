"""The command `ec2-metadata-mock`, and `imds-mock` with that command's arguments."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from imds_mock.commands import handle_early_signals
from imds_mock.errors import MockError
from imds_mock.log import install, say
from imds_mock.unused_modules import leave_out

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from imds_mock.aemm.arguments import Arguments
    from imds_mock.aemm.native_arguments import NativeArguments
    from imds_mock.build.aemm_loading import AemmReader
    from imds_mock.config.settings import Config
    from imds_mock.events.scenario import Scenario

_COMMAND: Final = "ec2-metadata-mock"
_OF_IMDS_MOCK: Final = ("-h", "--help", "--version")


def main() -> int:
    """Run `ec2-metadata-mock` with the process's own arguments.

    Returns:
        The exit code.
    """
    leave_out()
    return run(sys.argv[1:], os.environ, f"the command is {_COMMAND}")


def is_meant(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether `imds-mock` acts as `ec2-metadata-mock`.

    Args:
        argv: The words after the program's name; the first is not a subcommand of `imds-mock`. Without any, AEMM's
            variables decide.
        environ: Environment variables.
    """
    from imds_mock.aemm.arguments import is_aemm_argument  # noqa: PLC0415 - `imds-mock` does without it otherwise

    if not argv:
        return bool(reason_of(environ))
    return argv[0] not in _OF_IMDS_MOCK and is_aemm_argument(argv[0])


def reason_of(environ: Mapping[str, str]) -> str:
    """Why the environment turns a program without arguments into `ec2-metadata-mock`; empty if it does not.

    Args:
        environ: Environment variables.

    Raises:
        ConfigError: The mock's own settings, which may turn AEMM's data off, are invalid.
    """
    from imds_mock.aemm.settings import aemm_variables  # noqa: PLC0415 - as above

    if not aemm_variables(environ):
        return ""
    from imds_mock.build.loading import load  # noqa: PLC0415

    return aemm_reason(load({}, environ, None), environ) or ""


def aemm_reason(config: Config, environ: Mapping[str, str]) -> str | None:
    """Why AEMM's data and events are served; None if the real service's are.

    Args:
        config: The configuration.
        environ: Environment variables.
    """
    if config.compatibility == "aemm":
        return "the setting compatibility"
    if config.compatibility is None and any(name.startswith("AEMM_") for name in environ):
        from imds_mock.aemm.settings import aemm_variables  # noqa: PLC0415 - the real service needs none of it

        return next((f"the variable {variable} is set" for variable in aemm_variables(environ)), None)
    return None


def run(argv: Sequence[str], environ: Mapping[str, str], reason: str, native: NativeArguments | None = None) -> int:
    """Do what a command line says.

    Args:
        argv: The words after the program's name.
        environ: Environment variables.
        reason: Why the words are read as those of `ec2-metadata-mock`.
        native: The arguments of `imds-mock`, if that is the program: the words may be meant for it.

    Returns:
        The exit code.
    """
    handle_early_signals()
    from imds_mock.aemm.arguments import parse  # noqa: PLC0415 - after the handlers: loading takes most of the start

    try:
        if native is not None:
            native.require_aemm_arguments(argv)
        arguments = parse(argv)
        if arguments.action:
            sys.stdout.write(_run_action(arguments))
            return 0
        install()
        from imds_mock.build.aemm_loading import AemmReader  # noqa: PLC0415 - help and version do without
        from imds_mock.build.loading import load  # noqa: PLC0415
        from imds_mock.config.sources import file_of  # noqa: PLC0415

        reader = AemmReader(lambda: load({"compatibility": "aemm"}, environ, None), environ, arguments)
        notice = native.notice(argv[0], arguments) if native else ""
        serve(reader, reason, environ, file_of(environ, None), notice=notice)
    except MockError as error:
        say(str(error))
        return error.exit_code
    return 0


def serve(  # noqa: PLR0913 - the parts of a run
    read: AemmReader,
    reason: str,
    environ: Mapping[str, str],
    file: Path | None,
    scenario: Scenario | None = None,
    *,
    notice: str = "",
    ready_path: Path | None = None,
) -> None:
    """Serve AEMM's data until a signal says stop.

    Args:
        read: Reads the configuration.
        reason: Why AEMM's data is served.
        environ: Environment variables.
        file: The configuration file below AEMM's settings, if there is one.
        scenario: Played from the start.
        notice: A line to log once the settings are read; empty for none.
        ready_path: File that says where the mock answers, while it does.

    Raises:
        MockError: A setting is invalid, or an address cannot be listened on.
    """
    from imds_mock.run import program  # noqa: PLC0415 - help and version do without
    from imds_mock.run.reloading import ConfigSource  # noqa: PLC0415

    source = ConfigSource.watching(read, read.watched_file or file, reason)
    config = read()
    read.save()
    if notice:
        say(notice)
    say(f"Initiating ec2-metadata-mock for {read.settings.command.value} on port {config.server.port}")
    program.run(config, source, environ, scenario, ready_path)


def _run_action(arguments: Arguments) -> str:
    from imds_mock.aemm import usage  # noqa: PLC0415 - only this needs it

    if arguments.action == "help":
        return usage.help_text(arguments.command)
    return usage.version_text() if arguments.action == "version" else usage.completion_text(arguments.extra)
