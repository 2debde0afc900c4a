"""`ctl` for events: list and change them, turn the endpoint on, play a scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imds_mock.ctl.client import segment
from imds_mock.ctl.kinds import add_event_commands, print_armed, print_warnings, row
from imds_mock.ctl.output import print_done, print_json, print_line, print_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from imds_mock.ctl.client import Client

_COLUMNS: Final = ("id", "state", "starts", "ends", "target", "callers", "details")
_ID: Final = "id from `ctl events list`"


def add_commands(commands: argparse._SubParsersAction[Any], common: Sequence[argparse.ArgumentParser]) -> None:
    """Declare the commands.

    Args:
        commands: The commands of `ctl`.
        common: Options of every command.
    """
    shared = list(common)
    groups = add_event_commands(commands, common)
    on = groups["endpoint"].add_parser("on", parents=shared, help="turn the metadata service on: cancel every `off`")
    on.set_defaults(action_of=_endpoint_on)

    listing = commands.add_parser("events", parents=shared, help="list and change events")
    listing.set_defaults(action_of=_list)
    events = listing.add_subparsers(metavar="ACTION", help="(default: list)")
    events.add_parser("list", parents=shared, help="list the events").set_defaults(action_of=_list)
    events.add_parser("clear", parents=shared, help="remove all events").set_defaults(action_of=_clear)
    for verb, text in (
        ("show", "show events"),
        ("cancel", "cancel events from now on"),
        ("end", "end active events now; maintenance is completed, not canceled"),
        ("remove", "remove events without a trace"),
    ):
        command = events.add_parser(verb, parents=shared, help=text)
        command.add_argument("id", nargs="+", help=_ID)
        command.set_defaults(action_of=_each(verb))
    rearm = events.add_parser("rearm", parents=shared, help="start an event again")
    rearm.add_argument("id", help=_ID)
    rearm.add_argument("--in", metavar="DURATION", help="time until the start (default: now)")
    rearm.add_argument("--at", metavar="TIME", help="time of the start, instead of --in")
    rearm.set_defaults(action_of=_rearm)
    play = commands.add_parser("play", parents=shared, help="play a scenario")
    play.add_argument("file", help="YAML or JSON file; - reads standard input")
    play.set_defaults(action_of=_play)


def _list(client: Client, arguments: argparse.Namespace) -> int:
    _show(client.call("GET", "/v1/events"), arguments)
    return 0


def _show(events: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    if arguments.json:
        print_json(events)
        return
    print_table(_COLUMNS, [row(event, event["event"], ()) for event in events], "no events")


def _clear(client: Client, arguments: argparse.Namespace) -> int:
    client.call("DELETE", "/v1/events")
    print_done(arguments)
    return 0


def _each(verb: str) -> Any:
    def run(client: Client, arguments: argparse.Namespace) -> int:
        shown = []
        try:
            for event_id in arguments.id:
                path = f"/v1/events/{segment(event_id)}"
                if verb == "remove":
                    client.call("DELETE", path)
                elif verb == "show":
                    shown.append(client.call("GET", path))
                else:
                    shown.append(client.call("POST", f"{path}/{verb}"))
        finally:
            # If an event is refused, the changes to those before it remain.
            if shown:
                _show(shown, arguments)
        if not shown:
            print_done(arguments)
        return 0

    return run


def _rearm(client: Client, arguments: argparse.Namespace) -> int:
    start = {name: value for name in ("in", "at") if (value := getattr(arguments, name)) is not None}
    print_armed(client.call("POST", f"/v1/events/{segment(arguments.id)}/rearm", start), arguments)
    return 0


def _endpoint_on(client: Client, arguments: argparse.Namespace) -> int:
    waiting = [
        event["id"]
        for event in client.call("GET", "/v1/events")
        if event["kind"] == "endpoint-disabled" and event["state"] in {"pending", "active"}
    ]
    canceled = [client.call("POST", f"/v1/events/{segment(event_id)}/cancel") for event_id in waiting]
    if canceled or arguments.json:
        _show(canceled, arguments)
    else:
        print_line("the endpoint is already on, and no event is pending")
    return 0


def _play(client: Client, arguments: argparse.Namespace) -> int:
    from pathlib import Path  # noqa: PLC0415 - only this command reads files

    import msgspec  # noqa: PLC0415

    from imds_mock.config.plain_documents import read_document_text  # noqa: PLC0415
    from imds_mock.events.scenario import read_scenario_text  # noqa: PLC0415
    from imds_mock.standard_input import read_input  # noqa: PLC0415

    if arguments.file == "-":
        scenario = read_scenario_text(read_input(), "standard input")
    else:
        scenario = read_scenario_text(read_document_text(Path(arguments.file)), arguments.file)
    played = client.call("POST", "/v1/scenarios", msgspec.to_builtins(scenario))
    print_warnings([*played["events"], *played["faults"]])
    if arguments.json:
        print_json(played)
        return 0
    _show(played["events"], arguments)
    if played["faults"]:
        faults = [row(fault, fault["fault"], ()) for fault in played["faults"]]
        print_table(("id", "state", "starts", "ends", "target", "callers"), faults, "")
    return 0
