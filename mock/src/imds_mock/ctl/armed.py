"""`ctl` for armed events and faults: list and change them, turn the endpoint on, play a scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imds_mock.ctl.client import segment
from imds_mock.ctl.columns import Column, brief_time, state_style
from imds_mock.ctl.kinds import add_event_commands, add_fault_commands, print_armed, print_warnings
from imds_mock.ctl.output import print_done, print_json, print_line
from imds_mock.ctl.schedule import details_of, when_of
from imds_mock.ctl.tables import add_table_options, print_table
from imds_mock.ctl.times import reference

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from imds_mock.ctl.client import Client

    Commands = argparse._SubParsersAction[Any]  # noqa: SLF001 - argparse has no public name for it
    Action = Callable[[Client, argparse.Namespace], int]

_NAMES: Final = {
    "event": ("id", "state", "starts", "ends", "target", "callers", "details"),
    "fault": ("id", "state", "hits", "path", "rate", "count", "target", "callers", "ends", "details"),
}

_STATE: Final = Column("state", style=state_style)
_TARGETED: Final = (Column("target", minimum=10, rank=1, is_optional=True), Column("callers", rank=4))
_STARTS: Final = Column("starts", brief=brief_time)
_ENDS: Final = Column("ends", rank=2, is_optional=True, brief=brief_time)
_DETAILS: Final = Column("details", minimum=20, is_optional=True, wraps=True)
_FAULTS: Final = (
    *(Column("id"), _STATE, Column("hits"), Column("path", minimum=12)),
    *(Column("rate", rank=3, is_optional=True), Column("count", rank=3, is_optional=True)),
    *_TARGETED,
)
# On a terminal `when` counts down to the next of the event's times; with --utc the times are shown instead.
_COLUMNS: Final = {
    ("event", "when"): (Column("id"), _STATE, Column("when"), *_TARGETED, _DETAILS),
    ("event", "utc"): (Column("id"), _STATE, _STARTS, _ENDS, *_TARGETED, _DETAILS),
    ("fault", "when"): (*_FAULTS, Column("when"), _DETAILS),
    ("fault", "utc"): (*_FAULTS, _ENDS, _DETAILS),
}


def add_commands(commands: Commands, common: Sequence[argparse.ArgumentParser]) -> None:
    """Declare the commands for events and faults."""
    shared = list(common)
    groups = add_event_commands(commands, common)
    on = groups["endpoint"].add_parser("on", parents=shared, help="turn the metadata service on: cancel every `off`")
    on.set_defaults(action_of=_endpoint_on)
    events = _add_list(commands, "events", "event", shared, "list and change events")
    for verb, text in (
        ("show", "show events"),
        ("cancel", "cancel events from now on"),
        ("end", "end active events now; maintenance is completed, not canceled"),
        ("remove", "remove events without a trace"),
    ):
        _add_change(events, verb, "event", shared, text)
    rearm = events.add_parser("rearm", parents=shared, help="start an event again")
    rearm.add_argument("id", help="id from `ctl events list`")
    rearm.add_argument("--in", metavar="DURATION", help="time until the start (default: now)")
    rearm.add_argument("--at", metavar="TIME", help="time of the start, instead of --in")
    rearm.set_defaults(action_of=_rearm)

    play = commands.add_parser("play", parents=shared, help="play a scenario")
    play.add_argument("file", help="YAML or JSON file; - reads standard input")
    add_table_options(play)
    play.set_defaults(action_of=_play)

    faults = _add_list(commands, "fault", "fault", shared, "inject and list faults")
    add = faults.add_parser("add", parents=shared, help="arm a fault")
    add_fault_commands(add.add_subparsers(metavar="KIND", required=True), common)
    _add_change(faults, "remove", "fault", shared, "remove faults")


def _add_list(commands: Commands, name: str, what: str, shared: list[argparse.ArgumentParser], text: str) -> Commands:
    """Declare the command that lists what is armed, with its subcommands `list` and `clear`."""
    listing = commands.add_parser(name, parents=shared, help=text)
    add_table_options(listing)
    listing.set_defaults(action_of=_lister(what))
    actions: Commands = listing.add_subparsers(metavar="ACTION", help="(default: list)")
    lister = actions.add_parser("list", parents=shared, help=f"list the {what}s")
    add_table_options(lister)
    lister.set_defaults(action_of=_lister(what))
    actions.add_parser("clear", parents=shared, help=f"remove all {what}s").set_defaults(action_of=_clearer(what))
    return actions


def _add_change(commands: Commands, verb: str, what: str, shared: list[argparse.ArgumentParser], text: str) -> None:
    command = commands.add_parser(verb, parents=shared, help=text)
    command.add_argument("id", nargs="+", help=f"id from `ctl {'events' if what == 'event' else what} list`")
    add_table_options(command)
    command.set_defaults(action_of=_changer(verb, what))


def _lister(what: str) -> Action:
    def run(client: Client, arguments: argparse.Namespace) -> int:
        _show(client, what, client.call("GET", f"/v1/{what}s"), arguments)
        return 0

    return run


def _clearer(what: str) -> Action:
    def run(client: Client, arguments: argparse.Namespace) -> int:
        client.call("DELETE", f"/v1/{what}s")
        print_done(arguments)
        return 0

    return run


def _changer(verb: str, what: str) -> Action:
    def run(client: Client, arguments: argparse.Namespace) -> int:
        changed = []
        try:
            for armed_id in arguments.id:
                path = f"/v1/{what}s/{segment(armed_id)}"
                if verb == "remove":
                    client.call("DELETE", path)
                elif verb == "show":
                    changed.append(client.call("GET", path))
                else:
                    changed.append(client.call("POST", f"{path}/{verb}"))
        finally:
            # If one is refused, the changes to those before it remain.
            if changed:
                _show(client, what, changed, arguments)
        if not changed:
            print_done(arguments)
        return 0

    return run


def _show(client: Client, what: str, armed: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    """Print events or faults; the column `details` has the fields without a column of their own."""
    if arguments.json:
        print_json(armed)
        return
    now = reference(client, arguments) if armed else None
    rows = []
    for each in armed:
        row = {
            **each[what],
            **each,
            "callers": "all" if each["target"] is None else each["callers"],
            "details": details_of(each[what], _NAMES[what]),
        }
        rows.append(row if now is None else {**row, "when": when_of(each, what, now.mock)})
    print_table(arguments, _NAMES[what], rows, f"no {what}s", _COLUMNS[what, "utc" if now is None else "when"])


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
        _show(client, "event", canceled, arguments)
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
    _show(client, "event", played["events"], arguments)
    if played["faults"]:
        _show(client, "fault", played["faults"], arguments)
    return 0
