"""`ctl top`: a live view of callers, rates, armed events and faults, and the latest requests."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

from imds_mock.ctl.client import ArgumentError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from imds_mock.ctl.client import Client

_LONGEST_WAIT_SECONDS = 60.0


def add_commands(commands: argparse._SubParsersAction[Any], common: Sequence[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    top = commands.add_parser("top", parents=list(common), help="watch callers, rates, events and requests live")
    top.set_defaults(action_of=_top)


def _top(client: Client, arguments: argparse.Namespace) -> int:
    if arguments.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ArgumentError("top needs a terminal and has no JSON; use requests --follow, callers or events instead")
    from rich.live import Live  # noqa: PLC0415 - slow to import, and only this command needs it

    from imds_mock.ctl.keyboard import Keyboard  # noqa: PLC0415 - needs a Unix terminal
    from imds_mock.ctl.terminal import console_of, look_of  # noqa: PLC0415
    from imds_mock.ctl.top_view import view  # noqa: PLC0415
    from imds_mock.ctl.watching import Watch  # noqa: PLC0415

    console = console_of(look_of(arguments))
    keyboard = Keyboard()
    watch = Watch(client, keyboard.wake)
    with keyboard, Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False) as live:
        watch.start()
        try:
            while True:
                size = shutil.get_terminal_size((80, 24))
                console.size = size
                live.update(view(watch.state, watch.problem, size.columns, size.lines), refresh=True)
                if keyboard.key(_LONGEST_WAIT_SECONDS) in {"q", "Q", "\x1b"}:
                    return 0
        except (KeyboardInterrupt, EOFError):
            return 0
        finally:
            watch.stop()
