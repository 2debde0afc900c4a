"""The subcommands of `imds-mock`: a module each, with `add_arguments(parser)` and `run(arguments) -> exit code`."""

from __future__ import annotations

import importlib
import signal
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import ModuleType

COMMANDS: Final = {
    "serve": "serve the metadata of an EC2 instance",
    "run": "run a command, such as a test run, beside a mock of its own",
    "ctl": "control a running mock: events, faults, state, journal",
    "host": "redirect 169.254.169.254 on this machine to a mock",
    "health": "check whether a running mock answers (exit code 0 or 1)",
    "config": "show or check settings, import an instance from EC2",
    "certs": "export the certificates that verify the identity document",
    "compose-override": "print an override that adds the mock to your Compose file",
    "capture": "write the configuration of a running instance",
    "completion": "print the completion script for bash, zsh, fish or tcsh",
}
"""Name of each subcommand to its help text."""

SERVING: Final = frozenset({"serve", "run"})
"""The subcommands whose process serves a mock."""


def load(name: str) -> ModuleType:
    """Import the module of a subcommand.

    Args:
        name: A key of `COMMANDS`.
    """
    return importlib.import_module(f"imds_mock.commands.{name.replace('-', '_')}")


def handle_early_signals() -> None:
    """Exit at SIGTERM and SIGINT and ignore SIGHUP until the mock runs: PID 1 ignores signals without a handler."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
