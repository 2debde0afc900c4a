"""`ctl` for the mock's own time: show it, advance it, set it, return to real time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imds_mock.ctl.tables import print_values

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from imds_mock.ctl.client import Client


def add_commands(commands: argparse._SubParsersAction[Any], common: Sequence[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    shared = list(common)
    clock = commands.add_parser("clock", parents=shared, help="show or move the mock's time")
    clock.set_defaults(action_of=_show)
    actions = clock.add_subparsers(metavar="ACTION")
    advance = actions.add_parser("advance", parents=shared, help="move the mock's time forward")
    advance.add_argument("by", metavar="DURATION", help="how far, such as 6h")
    advance.set_defaults(action_of=_advance)
    setting = actions.add_parser("set", parents=shared, help="set the mock's time; it runs on from there")
    setting.add_argument("time", metavar="TIME", help="from 1970 to 2299, earlier than now included")
    setting.set_defaults(action_of=_set)
    real = actions.add_parser("real", parents=shared, help="return to the real time")
    real.set_defaults(action_of=_use_real_time)


def _show(client: Client, arguments: argparse.Namespace) -> int:
    print_values(arguments, client.call("GET", "/v1/clock"))
    return 0


def _advance(client: Client, arguments: argparse.Namespace) -> int:
    print_values(arguments, client.call("POST", "/v1/clock/advance", {"by": arguments.by}))
    return 0


def _set(client: Client, arguments: argparse.Namespace) -> int:
    print_values(arguments, client.call("PUT", "/v1/clock", {"time": arguments.time}))
    return 0


def _use_real_time(client: Client, arguments: argparse.Namespace) -> int:
    print_values(arguments, client.call("DELETE", "/v1/clock"))
    return 0
