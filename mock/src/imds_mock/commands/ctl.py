"""Control a running mock: events, faults, state, journal."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from typing import TYPE_CHECKING, Final

from imds_mock.arguments import SingleParser
from imds_mock.client_environment import CONTROL_URL
from imds_mock.ctl.client import ArgumentError, Client, default_url
from imds_mock.ctl.terminal import COLORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MODULES: Final = {
    "state": ("status", "set", "delete", "options", "config", "reset"),
    "metadata": ("get",),
    "armed": (),  # one for each kind of event and fault, among others
    "journal": ("requests", "notices"),
    "assertions": ("assert", "wait"),
    "callers": ("callers", "whoami", "forget"),
    "top": ("top",),
    "clock": ("clock",),
}
"""The modules below `ctl`, and the commands for which no other module is imported."""

_WITH_VALUE: Final = ("--url", "--color")
_TOKEN_VARIABLE = "IMDS_MOCK_CONTROL_TOKEN"  # noqa: S105 - the name of a variable, not a secret


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    _declare(parser, _MODULES)


def add_arguments_for(words: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command that the words name; of all commands if that is not certain."""
    command = _command_in(words)
    _declare(parser, [module for module, commands in _MODULES.items() if command in commands] or _MODULES)


def _command_in(words: Sequence[str]) -> str | None:
    remaining = iter(words)
    for word in remaining:
        if word in _WITH_VALUE:
            next(remaining, None)
        elif not word.startswith("-"):
            return word
    return None


def _declare(parser: argparse.ArgumentParser, modules: Iterable[str]) -> None:
    # Every parser has the common options, without defaults, so that they can stand anywhere.
    parser.set_defaults(url=None, json=False, color="auto", wide=False, utc=False)
    _add_common(parser)
    common = SingleParser(add_help=False)
    _add_common(common)
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=SingleParser)
    for module in modules:
        importlib.import_module(f"imds_mock.ctl.{module}").add_commands(commands, [common])


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        default=argparse.SUPPRESS,
        help=f"control plane: unix:/path or http://HOST:PORT (default: {CONTROL_URL}, else the running mock)",
    )
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    parser.add_argument(
        "--color",
        choices=COLORS,
        metavar="MODE",
        default=argparse.SUPPRESS,
        help=f"color in the output: {', '.join(COLORS)} (default: auto, on a terminal)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Call the control plane and print its response."""
    try:
        " ".join(map(str, vars(arguments).values())).encode()
    except UnicodeEncodeError as error:
        raise ArgumentError("the arguments are not UTF-8 text") from error
    token = os.environ.get(_TOKEN_VARIABLE)
    if token and not (token.isascii() and token.isprintable()):
        raise ArgumentError(f"{_TOKEN_VARIABLE}: expected printable ASCII characters in one line")
    url = arguments.url or os.environ.get(CONTROL_URL) or default_url(os.environ)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # in a locale without UTF-8
    return int(arguments.action_of(Client(url, token), arguments))
