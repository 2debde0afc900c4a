"""`ctl fault`: arm, list and remove faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imds_mock.ctl.client import segment
from imds_mock.ctl.kinds import add_fault_commands, row
from imds_mock.ctl.output import print_done, print_json, print_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from imds_mock.ctl.client import Client

_COLUMNS: Final = ("id", "state", "hits", "path", "rate", "count", "target", "callers", "ends", "details")


def add_commands(commands: argparse._SubParsersAction[Any], common: Sequence[argparse.ArgumentParser]) -> None:
    """Declare the commands.

    Args:
        commands: The commands of `ctl`.
        common: Options of every command.
    """
    shared = list(common)
    listing = commands.add_parser("fault", parents=shared, help="inject and list faults")
    listing.set_defaults(action_of=_list)
    fault = listing.add_subparsers(metavar="ACTION", help="(default: list)")
    add = fault.add_parser("add", parents=shared, help="arm a fault")
    add_fault_commands(add.add_subparsers(metavar="KIND", required=True), common)
    fault.add_parser("list", parents=shared, help="list the faults").set_defaults(action_of=_list)
    fault.add_parser("clear", parents=shared, help="remove all faults").set_defaults(action_of=_clear)
    remove = fault.add_parser("remove", parents=shared, help="remove faults")
    remove.add_argument("id", nargs="+", help="id from `ctl fault list`")
    remove.set_defaults(action_of=_remove)


def _list(client: Client, arguments: argparse.Namespace) -> int:
    faults = client.call("GET", "/v1/faults")
    if arguments.json:
        print_json(faults)
    else:
        rows = [row(fault, fault["fault"], ("path", "rate", "count")) for fault in faults]
        print_table(_COLUMNS, rows, "no faults")
    return 0


def _clear(client: Client, arguments: argparse.Namespace) -> int:
    client.call("DELETE", "/v1/faults")
    print_done(arguments)
    return 0


def _remove(client: Client, arguments: argparse.Namespace) -> int:
    for fault_id in arguments.id:
        client.call("DELETE", f"/v1/faults/{segment(fault_id)}")
    print_done(arguments)
    return 0
