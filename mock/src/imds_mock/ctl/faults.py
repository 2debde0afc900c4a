"""`ctl fault`: answers that go wrong on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imds_mock.arguments import number
from imds_mock.ctl.client import segment
from imds_mock.ctl.events import print_warnings, row, schedule_of, whom
from imds_mock.ctl.output import print_done, print_json, print_line, print_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from imds_mock.ctl.client import Client

_COLUMNS: Final = ("id", "state", "hits", "path", "rate", "count", "target", "callers", "ends", "details")
_GENERAL: Final = {"kind", "path", "rate", "count", "target", "in", "at", "for"}


def add_commands(
    commands: argparse._SubParsersAction[Any],
    common: Sequence[argparse.ArgumentParser],
    schedule: argparse.ArgumentParser,
) -> None:
    """Declare the commands.

    Args:
        commands: What they are added to.
        common: Options that every command has.
        schedule: Options for when and for whom.
    """
    listing = commands.add_parser("fault", parents=list(common), help="inject and list faults")
    listing.set_defaults(action_of=_list)
    fault = listing.add_subparsers(metavar="ACTION", help="(default: list)")
    kinds = fault.add_parser("add", parents=list(common), help="arm a fault").add_subparsers(
        metavar="KIND", required=True
    )
    which = type(common[0])(add_help=False)
    which.add_argument("--path", metavar="PATTERN", help="paths; * matches slashes too (default: every path)")
    which.add_argument("--rate", type=number, metavar="0..1", help="share of the requests to hit (default: 1)")
    which.add_argument("--count", type=int, metavar="N", help="number of requests to hit (default: no limit)")
    parents = [*common, schedule, which]

    delay = kinds.add_parser("delay", parents=parents, help="delay the response")
    delay.add_argument("delay", metavar="DURATION", help="length of the delay")
    delay.set_defaults(action_of=_armer("delay", "delay"))
    status = kinds.add_parser("status", parents=parents, help="respond with an error")
    status.add_argument("status", type=int, nargs="?", help="400 to 599 (default: 503)")
    status.add_argument("--retry-after", type=int, metavar="SECONDS", help="with a Retry-After header")
    status.set_defaults(action_of=_armer("status", "status", "retry_after"))
    reset = kinds.add_parser("reset", parents=parents, help="reset the connection")
    reset.set_defaults(action_of=_armer("reset"))
    stall = kinds.add_parser("stall", parents=parents, help="accept the request and never respond")
    stall.set_defaults(action_of=_armer("stall"))
    truncate = kinds.add_parser("truncate", parents=parents, help="cut off the body of the response")
    truncate.add_argument(
        "keep_bytes", type=int, nargs="?", metavar="BYTES", help="bytes of the body that are sent (default: 0)"
    )
    truncate.set_defaults(action_of=_armer("truncate", "keep_bytes"))
    revoke = kinds.add_parser("revoke-tokens", parents=parents, help="reject session tokens issued before")
    revoke.set_defaults(action_of=_armer("revoke-tokens"))
    skew = kinds.add_parser("clock-skew", parents=parents, help="shift the times in credentials")
    skew.add_argument("seconds", type=number, help="such as 600; -600 makes credentials look older")
    skew.set_defaults(action_of=_armer("clock-skew", "seconds"))

    fault.add_parser("list", parents=list(common), help="list the faults").set_defaults(action_of=_list)
    fault.add_parser("clear", parents=list(common), help="remove all faults").set_defaults(action_of=_clear)
    remove = fault.add_parser("remove", parents=list(common), help="remove faults")
    remove.add_argument("id", nargs="+", help="as `ctl fault list` shows it")
    remove.set_defaults(action_of=_remove)


def _armer(kind: str, *fields: str) -> Any:
    def arm(client: Client, arguments: argparse.Namespace) -> int:
        given = {name: getattr(arguments, name) for name in (*fields, "path", "rate", "count")}
        own = {name: value for name, value in given.items() if value is not None}
        fault = client.call("POST", "/v1/faults", {"kind": kind, **own, **schedule_of(arguments)})
        print_warnings([fault])
        if arguments.json:
            print_json(fault)
        else:
            until = f" until {fault['ends']}" if fault["ends"] else ""
            path = fault["fault"].get("path", "*")
            print_line(f"{fault['id']} {fault['state']}: {path} from {fault['starts']}{until} for {whom(fault)}")
        return 0

    return arm


def _list(client: Client, arguments: argparse.Namespace) -> int:
    faults = client.call("GET", "/v1/faults")
    if arguments.json:
        print_json(faults)
        return 0
    rows = [
        {
            **{name: fault["fault"].get(name) for name in ("path", "rate", "count")},
            **row(fault),
            "details": {name: held for name, held in fault["fault"].items() if name not in _GENERAL} or None,
        }
        for fault in faults
    ]
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
