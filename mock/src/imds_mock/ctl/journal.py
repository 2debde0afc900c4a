"""`ctl` for the journal: recorded requests, and the callers that have seen a notice."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from imds_mock.ctl.client import ArgumentError
from imds_mock.ctl.output import cell, print_done, print_json, print_line, print_table, print_warning

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from imds_mock.ctl.client import Client

_COLUMNS: Final = ("time", "caller", "method", "written", "status", "version", "token", "microseconds", "faults")
_FILTERS: Final = ("path", "caller", "method", "version", "status", "since", "until", "fault")
_WIDTHS: Final = (24, 24, 6, 56, 6, 7, 9, 12, 0)


def add_commands(commands: argparse._SubParsersAction[Any], common: Sequence[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    requests = commands.add_parser("requests", parents=list(common), help="list recorded requests")
    requests.add_argument("--follow", "-f", action="store_true", help="print new requests as they arrive")
    requests.add_argument("--limit", type=int, metavar="N", help="show the newest N requests (default: 1000)")
    requests.add_argument("--clear", action="store_true", help="empty the journal")
    _add_filters(requests)
    requests.set_defaults(action_of=_requests)

    notices = commands.add_parser(
        "notices", parents=list(common), help="list the callers that have seen a notice, and when"
    )
    notices.add_argument("--since", metavar="WHEN", help="earliest time, or how long ago")
    notices.add_argument("--caller", metavar="WHO", help="address, container or service name")
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
        return _follow(client, arguments, query)
    found = client.call("GET", "/v1/requests", query={**query, "limit": arguments.limit})
    if arguments.json:
        print_json(found)
    else:
        print_table(_COLUMNS, [_named(each) for each in found], "no requests")
    return 0


def _follow(client: Client, arguments: argparse.Namespace, query: dict[str, Any]) -> int:
    import json  # noqa: PLC0415 - only here

    try:
        for entry in client.stream("/v1/requests/stream", query):
            if arguments.json:
                sys.stdout.write(f"{json.dumps(entry)}\n")
                sys.stdout.flush()
            else:
                cells = (cell(_named(entry).get(name)) for name in _COLUMNS)
                print_line(" ".join(text.ljust(width) for text, width in zip(cells, _WIDTHS, strict=True)).rstrip())
    except KeyboardInterrupt:
        return 0
    return 0


def _named(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "caller": caller_name(entry), "time": _both_times(entry, "time")}


def _both_times(entry: dict[str, Any], name: str) -> str:
    """A time on the mock's clock, and the real time if it differs."""
    time, real = entry[name], entry[f"real_{name}"]
    return str(time) if time == real else f"{time} (real {real})"


def caller_name(entry: dict[str, Any]) -> str:
    """A caller's address with its container name, or else its instance id, which distinguish replicas."""
    which = entry["names"][0] if entry["names"] else entry["instance_id"]
    return f"{entry['caller']} ({which})" if which else str(entry["caller"])


def _warn(client: Client, caller: str | None) -> None:
    """Print a warning if `caller` matches no caller or may miss some."""
    if caller is not None:
        print_warning(client.call("GET", "/v1/callers/match", query={"caller": caller})["warning"])


def _notices(client: Client, arguments: argparse.Namespace) -> int:
    _warn(client, arguments.caller)
    seen = client.call("GET", "/v1/requests/notices", query={"since": arguments.since, "caller": arguments.caller})
    if arguments.json:
        print_json(seen)
    else:
        rows = [{**each, "caller": caller_name(each), "notice": each["subject"]} for each in seen]
        rows = [{**row, "first": _both_times(row, "first"), "last": _both_times(row, "last")} for row in rows]
        print_table(("notice", "caller", "first", "last", "times"), rows, "no caller has seen a notice")
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
