"""`ctl` for the journal: recorded requests, and the callers that have seen a notice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imds_mock.ctl.client import ArgumentError
from imds_mock.ctl.columns import Column, brief_caller, brief_time
from imds_mock.ctl.output import print_done, print_json, print_warning
from imds_mock.ctl.request_columns import COLUMNS, NAMES, caller_name, named
from imds_mock.ctl.tables import add_table_options, print_table
from imds_mock.ctl.times import both_times, reference

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from imds_mock.ctl.client import Client

_NOTICES: Final = (
    Column("notice", minimum=10),
    Column("caller", minimum=14, brief=brief_caller),
    Column("first", brief=brief_time),
    Column("last", brief=brief_time),
    Column("times"),
)
_FILTERS: Final = ("path", "caller", "method", "version", "status", "since", "until", "fault")


def add_commands(commands: argparse._SubParsersAction[Any], common: Sequence[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    requests = commands.add_parser("requests", parents=list(common), help="list recorded requests")
    requests.add_argument("--follow", "-f", action="store_true", help="print new requests as they arrive")
    requests.add_argument("--limit", type=int, metavar="N", help="show the newest N requests (default: 1000)")
    requests.add_argument("--clear", action="store_true", help="empty the journal")
    _add_filters(requests)
    add_table_options(requests)
    requests.set_defaults(action_of=_requests)

    notices = commands.add_parser(
        "notices", parents=list(common), help="list the callers that have seen a notice, and when"
    )
    notices.add_argument("--since", metavar="WHEN", help="earliest time, or how long ago")
    notices.add_argument("--caller", metavar="WHO", help="address, container or service name")
    add_table_options(notices)
    notices.set_defaults(action_of=_notices)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--path", metavar="PATTERN", help="pattern for the path; `*` matches slashes too")
    parser.add_argument("--caller", metavar="WHO", help="address, container or service name")
    parser.add_argument("--method", metavar="NAME", help="HTTP method")
    parser.add_argument(
        "--version", choices=("v1", "v2", "ecs", "eks"), help="IMDS version, or the agent that answered"
    )
    parser.add_argument("--status", type=int, metavar="CODE", help="status of the response; 0: no response")
    parser.add_argument("--since", metavar="WHEN", help="earliest time, or how long ago")
    parser.add_argument("--until", metavar="WHEN", help="latest time, or how long ago")
    parser.add_argument("--fault", metavar="ID", help="id of a fault that changed the response")


def _requests(client: Client, arguments: argparse.Namespace) -> int:
    if arguments.clear:
        refuse_with("--clear", arguments, "limit", "follow", *_FILTERS)
        client.call("DELETE", "/v1/requests")
        print_done(arguments)
        return 0
    query = {name: getattr(arguments, name) for name in _FILTERS}
    _warn(client, arguments.caller)
    if arguments.follow:
        from imds_mock.ctl.following import follow  # noqa: PLC0415 - only here

        return follow(client, arguments, query)
    found = client.call("GET", "/v1/requests", query={**query, "limit": arguments.limit})
    if arguments.json:
        print_json(found)
        return 0
    now = reference(client, arguments)
    rows = [{**named(each), "time": both_times(each, "time", now)} for each in found]
    print_table(arguments, NAMES, rows, "no requests", COLUMNS)
    return 0


def _warn(client: Client, caller: str | None) -> None:
    """Print a warning if `caller` matches no caller or may miss some."""
    if caller is not None:
        print_warning(client.call("GET", "/v1/callers/match", query={"caller": caller})["warning"])


def _notices(client: Client, arguments: argparse.Namespace) -> int:
    _warn(client, arguments.caller)
    seen = client.call("GET", "/v1/requests/notices", query={"since": arguments.since, "caller": arguments.caller})
    if arguments.json:
        print_json(seen)
        return 0
    now = reference(client, arguments)
    times = [{name: both_times(each, name, now) for name in ("first", "last")} for each in seen]
    rows = [
        {**each, "caller": caller_name(each), "notice": each["subject"], **both}
        for each, both in zip(seen, times, strict=True)
    ]
    print_table(
        arguments, ("notice", "caller", "first", "last", "times"), rows, "no caller has seen a notice", _NOTICES
    )
    return 0


def refuse_with(option: str, arguments: argparse.Namespace, *names: str) -> None:
    """Refuse options that have no effect together with another one.

    Args:
        option: The other option.
        arguments: The parsed command line.
        names: The options to refuse, as attributes of `arguments`.

    Raises:
        ArgumentError: At least one of them is given.
    """
    values = ((name, getattr(arguments, name)) for name in names)
    given = [f"--{name.replace('_', '-')}" for name, value in values if value is not None and value is not False]
    if given:
        raise ArgumentError(f"{' and '.join(given)} cannot be used with {option}; leave out one or the other")
