"""`ctl` for events: one command for each kind, and the list of what is armed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imds_mock.ctl.client import segment
from imds_mock.ctl.output import print_done, print_json, print_line, print_table, print_warning

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from imds_mock.ctl.client import Client

_COLUMNS: Final = ("id", "state", "starts", "ends", "target", "callers", "details")
_LIFECYCLE_STATES: Final = (
    *("Detached", "InService", "Standby", "Terminated"),
    *("Warmed:Hibernated", "Warmed:Running", "Warmed:Stopped", "Warmed:Terminated"),
)
_CODES: Final = (*("instance-reboot", "system-reboot", "system-maintenance", "instance-retirement", "instance-stop"),)
_SCHEDULE: Final = ("in", "at", "for", "target")


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
    with_schedule = [*common, schedule]

    spot = commands.add_parser("spot", parents=list(common), help="send a spot interruption notice").add_subparsers(
        metavar="ACTION", required=True
    )
    interrupt = spot.add_parser(
        "interrupt", parents=with_schedule, help="announce that the instance is terminated, stopped or hibernated"
    )
    interrupt.add_argument("--action", choices=("terminate", "stop", "hibernate"), help="(default: terminate)")
    interrupt.add_argument(
        "--notice", metavar="DURATION", help="time from notice to action (default: 2m; for hibernate: 0)"
    )
    interrupt.add_argument("--time", metavar="TIME", help="time of the action, instead of --notice")
    interrupt.set_defaults(action_of=_armer("spot", "action", "notice", "time"))

    rebalance = commands.add_parser("rebalance", parents=with_schedule, help="send a rebalance recommendation")
    rebalance.set_defaults(action_of=_armer("rebalance"))

    maintenance = commands.add_parser("maintenance", parents=with_schedule, help="schedule a maintenance event")
    maintenance.add_argument("code", nargs="?", choices=_CODES, help="(default: system-reboot)")
    maintenance.add_argument("--not-before", metavar="WHEN", help="time, or duration from the start (default: 7d)")
    maintenance.add_argument("--not-after", metavar="WHEN", help="time, or duration from --not-before (default: 2h)")
    maintenance.add_argument("--description", metavar="TEXT", help="(default: the usual one for the code)")
    maintenance.add_argument("--event-id", metavar="ID", help="(default: made up)")
    maintenance.set_defaults(
        action_of=_armer("maintenance", "code", "not_before", "not_after", "description", "event_id")
    )

    lifecycle = commands.add_parser(
        "lifecycle", parents=with_schedule, help="set the Auto Scaling target lifecycle state"
    )
    lifecycle.add_argument("state", choices=_LIFECYCLE_STATES, help="state that Auto Scaling moves the instance to")
    lifecycle.set_defaults(action_of=_armer("lifecycle", "state"))

    credentials = commands.add_parser(
        "credentials", parents=list(common), help="rotate or expire role credentials early"
    ).add_subparsers(metavar="ACTION", required=True)
    rotate = credentials.add_parser("rotate", parents=with_schedule, help="replace the keys")
    rotate.set_defaults(action_of=_armer("credentials-rotation"))
    expire = credentials.add_parser("expire", parents=with_schedule, help="expire the keys early")
    expire.add_argument("--after", metavar="DURATION", help="remaining life of the keys (default: none)")
    expire.add_argument(
        "--no-renew", dest="renew", action="store_const", const=False, help="keep the expired keys instead of new ones"
    )
    expire.set_defaults(action_of=_armer("credentials-expiry", "after", "renew"))

    endpoint = commands.add_parser(
        "endpoint", parents=list(common), help="turn the whole service off or on"
    ).add_subparsers(metavar="ACTION", required=True)
    off = endpoint.add_parser("off", parents=with_schedule, help="answer every request with 403")
    off.set_defaults(action_of=_armer("endpoint-disabled"))
    on = endpoint.add_parser("on", parents=list(common), help="cancel every planned or active `off`")
    on.set_defaults(action_of=_endpoint_on)

    _add_list_commands(commands, common)


def _add_list_commands(commands: argparse._SubParsersAction[Any], common: Sequence[argparse.ArgumentParser]) -> None:
    listing = commands.add_parser("events", parents=list(common), help="list and change events")
    listing.set_defaults(action_of=_list)
    events = listing.add_subparsers(metavar="ACTION", help="(default: list)")
    events.add_parser("list", parents=list(common), help="list the events").set_defaults(action_of=_list)
    events.add_parser("clear", parents=list(common), help="remove all events").set_defaults(action_of=_clear)
    for verb, text in (
        ("show", "show events"),
        ("cancel", "cancel events from now on"),
        ("end", "end active events now; maintenance is completed, not canceled"),
        ("remove", "remove events without a trace"),
    ):
        command = events.add_parser(verb, parents=list(common), help=text)
        command.add_argument("id", nargs="+", help="as `ctl events list` shows it")
        command.set_defaults(action_of=_each(verb))
    rearm = events.add_parser("rearm", parents=list(common), help="start an event over")
    rearm.add_argument("id", help="as `ctl events list` shows it")
    rearm.add_argument("--in", dest="in_", metavar="DURATION", help="start after this (default: now)")
    rearm.add_argument("--at", metavar="TIME", help="start at this time")
    rearm.set_defaults(action_of=_rearm)
    play = commands.add_parser("play", parents=list(common), help="play a scenario")
    play.add_argument("file", help="YAML or JSON file; - reads standard input")
    play.set_defaults(action_of=_play)


def schedule_options(parser: type[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Options for when something happens and for whom."""
    options = parser(add_help=False)
    options.add_argument("--in", dest="in_", metavar="DURATION", help="start after this (default: now)")
    options.add_argument("--at", metavar="TIME", help="start at this time")
    options.add_argument("--for", dest="for_", metavar="DURATION", help="duration (default: no end)")
    options.add_argument("--target", metavar="WHO", help="address, container or service name (default: every caller)")
    return options


def schedule_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields with which an event or fault is put on the clock."""
    given = {"in": arguments.in_, "at": arguments.at, "for": arguments.for_, "target": arguments.target}
    return {name: value for name, value in given.items() if value is not None}


def _armer(kind: str, *fields: str) -> Any:
    def arm(client: Client, arguments: argparse.Namespace) -> int:
        own = {name: getattr(arguments, name) for name in fields if getattr(arguments, name) is not None}
        event = client.call("POST", "/v1/events", {"kind": kind, **own, **schedule_of(arguments)})
        _say(event, arguments)
        return 0

    return arm


def _say(event: dict[str, Any], arguments: argparse.Namespace) -> None:
    print_warnings([event])
    if arguments.json:
        print_json(event)
        return
    until = f" until {event['ends']}" if event["ends"] else ""
    print_line(f"{event['id']} {event['state']}: from {event['starts']}{until} for {whom(event)}")


def whom(armed: dict[str, Any]) -> str:
    """The target of an event or a fault in words, and how many callers it matches now."""
    if not armed["target"]:
        return "every caller"
    addresses = ", ".join(armed["addresses"])
    matches = "1 caller now" if armed["callers"] == 1 else f"{armed['callers']} callers now"
    return f"{armed['target']} ({f'{addresses}; ' if addresses else ''}{matches})"


def row(armed: dict[str, Any]) -> dict[str, Any]:
    """An event or a fault as a row of a table."""
    return {**armed, "callers": "all" if armed["target"] is None else armed["callers"]}


def print_warnings(armed: list[dict[str, Any]]) -> None:
    """Say which events or faults are over already, and which targets match no caller or may miss some, each once."""
    for each in armed:
        if each["state"] == "ended":
            print_warning(f"{each['id']} ended at {each['ends']}, so it has no effect; give a later start or end")
    for sentence in dict.fromkeys(each["warning"] for each in armed):
        print_warning(sentence)


def _list(client: Client, arguments: argparse.Namespace) -> int:
    _show(client.call("GET", "/v1/events"), arguments)
    return 0


def _show(events: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    if arguments.json:
        print_json(events)
        return
    hidden = {"kind", *_SCHEDULE}
    rows = [
        {**row(event), "details": {name: held for name, held in event["event"].items() if name not in hidden} or None}
        for event in events
    ]
    print_table(_COLUMNS, rows, "no events")


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
            # What was done before one was refused stays done.
            if shown:
                _show(shown, arguments)
        if not shown:
            print_done(arguments)
        return 0

    return run


def _rearm(client: Client, arguments: argparse.Namespace) -> int:
    start = {name: value for name, value in (("in", arguments.in_), ("at", arguments.at)) if value is not None}
    _say(client.call("POST", f"/v1/events/{segment(arguments.id)}/rearm", start), arguments)
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
        print_table(("id", "state", "starts", "ends", "target", "callers"), list(map(row, played["faults"])), "")
    return 0
