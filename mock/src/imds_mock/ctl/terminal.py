"""How the output of `ctl` looks: whether standard output is a terminal, how wide it is, and whether it has color.

The layout (fitted tables, relative times) depends on the terminal alone. Color also follows `--color` and the usual
variables: https://no-color.org, https://force-color.org and https://bixense.com/clicolors.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from rich.console import Console

COLORS: Final = ("auto", "always", "never")

_UNLIMITED: Final = 1_000_000


class Look(NamedTuple):
    """How the output looks.

    Attributes:
        is_terminal: Standard output is a terminal.
        has_color: The output has color.
        width: Columns to fit the output to; None: the output is not fitted.
    """

    is_terminal: bool
    has_color: bool
    width: int | None

    @property
    def is_plain(self) -> bool:
        """The output is for programs: without color and not fitted."""
        return not (self.is_terminal or self.has_color)


def look_of(arguments: argparse.Namespace) -> Look:
    """The look of this call's output.

    Args:
        arguments: The parsed command line, with `color` and `wide`.
    """
    is_terminal = sys.stdout.isatty()
    width = None
    if is_terminal and not arguments.wide:
        import shutil  # noqa: PLC0415 - takes a while, and only a terminal needs it

        width = shutil.get_terminal_size((80, 24)).columns
    return Look(is_terminal, has_color(arguments.color, os.environ, is_terminal=is_terminal), width)


def has_color(choice: str, environ: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Whether the output has color.

    Args:
        choice: One of `COLORS`.
        environ: Environment variables.
        is_terminal: Standard output is a terminal.
    """
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "0") not in {"", "0"} for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return is_terminal and environ.get("CLICOLOR") != "0" and environ.get("TERM") != "dumb"


def console_of(look: Look) -> Console:
    """Rich's console on standard output; it uses the 16 colors that the user has chosen for the terminal."""
    from rich.console import Console  # noqa: PLC0415 - slow to import, and only a terminal needs it

    return Console(
        force_terminal=True,
        color_system="standard" if look.has_color else None,
        width=_UNLIMITED if look.width is None else look.width,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
