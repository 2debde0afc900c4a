"""Records commands in a real pseudo-terminal as an SVG picture, in which one command after the other appears."""

from __future__ import annotations

import io
import re
import shlex
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, DIMMED_MONOKAI
from rich.text import Text

from support.pseudo_terminal import run_in_terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.terminal_theme import TerminalTheme

COLUMNS: Final = 96
THEMES: Final = {"light": DEFAULT_TERMINAL_THEME, "dark": DIMMED_MONOKAI}

_ID: Final = "terminal"
_TYPED_SECONDS: Final = 0.7
_READ_SECONDS: Final = 1.6
_FONTS: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, Liberation Mono, monospace"


class Recorded(NamedTuple):
    """One command and what it printed, with control sequences."""

    command: str
    output: str


def record(command: str, program: str, environment: Mapping[str, str]) -> Recorded:
    """Run a command in a terminal.

    Args:
        command: As a user types it.
        program: Path of its program.
        environment: Its whole environment.
    """
    _code, output = run_in_terminal([program, *shlex.split(command)[1:]], environment, COLUMNS)
    return Recorded(command, output)


def svg(recorded: Sequence[Recorded], title: str, theme: TerminalTheme) -> str:
    """The picture of a recording, which refers to no other file.

    Args:
        recorded: The commands in their order.
        title: Title of the window.
        theme: Colors.
    """
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="standard")
    starts: list[tuple[float, int]] = []  # from when on lines are visible, and their number
    time = 0.0
    for command, output in recorded:
        shown = Text.from_ansi("\n".join(line.rstrip() for line in output.splitlines()))
        console.print(Text.assemble(("$ ", "green"), (command, "bold")))
        console.print(shown)
        console.print()
        starts += [(time, 1), (time + _TYPED_SECONDS, len(shown.wrap(console, COLUMNS)) + 1)]
        time += _TYPED_SECONDS + _READ_SECONDS
    picture = console.export_svg(title=title, theme=theme, unique_id=_ID)
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL).replace("Fira Code, monospace", _FONTS)
    picture = picture.replace('stroke="rgba(255,255,255,0.35)"', 'stroke="rgba(128,128,128,0.5)"')
    return picture.replace("</style>", f"{_animation(starts)}</style>", 1)


def _animation(starts: Sequence[tuple[float, int]]) -> str:
    """The rules that show each line at its time, once, unless the reader has asked for less motion."""
    rules = []
    line = 0
    for start, count in starts:
        names = ",".join(f'[clip-path="url(#{_ID}-line-{number})"]' for number in range(line, line + count))
        rules.append(f"{names}{{animation:appear .1s {start:.1f}s both}}")
        line += count
    frames = "@keyframes appear{from{opacity:0}to{opacity:1}}"
    return f"{frames}@media (prefers-reduced-motion:no-preference){{{''.join(rules)}}}"
