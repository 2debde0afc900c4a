"""Print a shell's completion for this program: eval "$(imds-mock completion bash)"."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

_SHELLS = ("bash", "zsh", "fish", "tcsh")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("shell", choices=_SHELLS)


def run(arguments: argparse.Namespace) -> int:
    """Print the completion script."""
    import shtab  # noqa: PLC0415 - only this needs it

    sys.stdout.write(f"{shtab.complete(_complete_parser(), arguments.shell)}\n")
    return 0


def _complete_parser() -> argparse.ArgumentParser:
    from imds_mock.arguments import Parser  # noqa: PLC0415 - only this needs it
    from imds_mock.commands import COMMANDS, load  # noqa: PLC0415

    root = Parser(prog="imds-mock")
    commands = root.add_subparsers(parser_class=Parser)
    for name, text in COMMANDS.items():
        load(name).add_arguments(commands.add_parser(name, help=text))
    root.declare_all()
    return root
