"""Run a command beside a mock of its own, which its AWS SDKs find through the environment."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from imds_mock.commands.mock_options import add_mock_options, chosen_scenario, chosen_settings
from imds_mock.errors import EX_USAGE, MockError
from imds_mock.log import install
from imds_mock.run.child_process import block_signals

_ON_FREE_PORTS = {
    "server.hosts": ("127.0.0.1",),
    "server.port": 0,
    "control.enabled": True,
    "control.hosts": ("127.0.0.1",),
    "control.port": 0,
    "control.socket": "",
}


class NoCommandError(MockError):
    """The command line names no command."""

    exit_code = EX_USAGE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.usage = "imds-mock run [OPTION...] -- COMMAND [ARGUMENT...]"
    parser.epilog = (
        "The mock listens on free ports of 127.0.0.1 and answers before the command starts. The exit code is the "
        "command's: 128 + N after signal N, 126 if it cannot be executed, 127 if it does not exist."
    )
    add_mock_options(parser)
    parser.add_argument(
        "--require-imdsv2",
        action="store_true",
        help="list IMDSv1 requests at the end; exit code 79 if there was one and the command succeeded",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="program and arguments")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        raise NoCommandError("no command to run; write it after --, as in: imds-mock run -- pytest -q")
    install()
    for number in (signal.SIGTERM, signal.SIGINT):
        # As process 1, a program ignores signals without a handler. The command inherits signals that are ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    from imds_mock.commands.ec2_metadata_mock import aemm_reason  # noqa: PLC0415 - imports take most of the start
    from imds_mock.run.config_reader import ConfigReader  # noqa: PLC0415
    from imds_mock.run.wrapped_command import WrappedCommand  # noqa: PLC0415

    overrides = _ON_FREE_PORTS | chosen_settings(arguments)
    read = ConfigReader(overrides, os.environ, arguments.config, {})
    config = read()
    scenario = chosen_scenario(arguments)
    if aemm_reason(config, os.environ):
        overrides["compatibility"] = "aemm"
        from imds_mock.build.aemm_loading import AemmReader  # noqa: PLC0415 - the real service needs none of it

        config = AemmReader(read, os.environ)()
    blocked = block_signals()
    wrapped = WrappedCommand(config, scenario, require_imdsv2=arguments.require_imdsv2)
    return wrapped.run(command, os.environ, blocked)
