"""`ctl` for the journal: requests, readers of notices, and assertions for scripts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from imds_mock.ctl.client import ArgumentError
from imds_mock.ctl.output import cell, print_done, print_json, print_line, print_table, print_warning
from imds_mock.events.kinds import NOTICES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from imds_mock.ctl.client import Client

EX_ASSERTION: Final = 1

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

    claim = commands.add_parser(
        "assert", parents=list(common), help="check the journal: exit code 0 if the condition holds, 1 if not"
    )
    what = claim.add_mutually_exclusive_group(required=True)
    what.add_argument("--no-imdsv1", action="store_true", help="no request came without a session token")
    what.add_argument("--asked", metavar="PATTERN", help="a matching path was requested")
    what.add_argument("--saw", choices=dict.fromkeys(NOTICES.values()), help="a caller has seen the notice")
    claim.add_argument("--caller", "--by", metavar="WHO", help="address, container or service name")
    claim.add_argument("--since", metavar="WHEN", help="earliest time, or how long ago")
    claim.add_argument("--at-least", type=int, metavar="N", help="with --asked: lowest number of requests (default: 1)")
    claim.add_argument("--at-most", type=int, metavar="N", help="with --asked: highest number of requests")
    claim.add_argument("--allow-empty", action="store_true", help="succeed even if no request was recorded")
    claim.set_defaults(action_of=_assert)


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
        _refuse_with("--clear", arguments, "limit", "follow", *_FILTERS)
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
    return {**entry, "caller": _caller(entry), "time": _both_times(entry, "time")}


def _both_times(entry: dict[str, Any], name: str) -> str:
    """A time on the mock's clock, and the real time if it differs."""
    time, real = entry[name], entry[f"real_{name}"]
    return str(time) if time == real else f"{time} (real {real})"


def _caller(entry: dict[str, Any]) -> str:
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
        rows = [{**each, "caller": _caller(each), "notice": each["subject"]} for each in seen]
        rows = [{**row, "first": _both_times(row, "first"), "last": _both_times(row, "last")} for row in rows]
        print_table(("notice", "caller", "first", "last", "times"), rows, "no caller has seen a notice")
    return 0


def _assert(client: Client, arguments: argparse.Namespace) -> int:
    _check_bounds(arguments)
    scope = {"since": arguments.since, "caller": arguments.caller}
    bounds = {"at_least": arguments.at_least, "at_most": arguments.at_most}
    allowed = {"allow_empty": "true"} if arguments.allow_empty else {}
    count = client.call("GET", "/v1/requests/count", query={"path": arguments.asked, **scope, **bounds, **allowed})
    says_nothing = _says_nothing(count, arguments)
    if arguments.asked is not None:
        holds, found = count["holds"], count
        sentence = f"{arguments.asked} was requested {_times(count['count'])}"
        if not count["complete"]:
            sentence += ", according to an incomplete journal"
    elif arguments.no_imdsv1:
        found = client.call("GET", "/v1/requests/imdsv1", query=scope)
        holds = not found
        callers = ", ".join(f"{_caller(each)} {_times(each['times'])}, last at {each['last']}" for each in found)
        sentence = f"IMDSv1 was used by {callers}" if found else "no caller has used IMDSv1"
    else:
        told = client.call("GET", "/v1/requests/notices", query=scope)
        found = [each for each in told if each["subject"] == arguments.saw]
        holds = bool(found)
        callers = ", ".join(f"{_caller(each)} at {each['first']}" for each in found)
        sentence = f"{arguments.saw} was first seen by {callers}" if found else f"no caller has seen {arguments.saw}"
    if says_nothing is not None:
        holds, sentence = False, says_nothing
    else:
        print_warning(count["warning"])
        if count["recorded_from_caller"] == 0:
            sentence += f"; no request was recorded from {arguments.caller}"
    if arguments.json:
        print_json({"holds": holds, "found": found})
    if not holds:
        print_warning(sentence, "imds-mock ctl assert")
    elif not arguments.json:
        print_line(sentence)
    return 0 if holds else EX_ASSERTION


def _check_bounds(arguments: argparse.Namespace) -> None:
    if arguments.asked is None:
        _refuse_with("--no-imdsv1" if arguments.no_imdsv1 else "--saw", arguments, "at_least", "at_most")
    least, most = arguments.at_least, arguments.at_most
    if least is not None and most is not None and least > most:
        raise ArgumentError(f"--at-least {least} and --at-most {most} exclude each other; no number fits both")


def _refuse_with(option: str, arguments: argparse.Namespace, *names: str) -> None:
    """Refuse options that have no effect together with `option`."""
    values = ((name, getattr(arguments, name)) for name in names)
    given = [f"--{name.replace('_', '-')}" for name, value in values if value is not None and value is not False]
    if given:
        raise ArgumentError(f"{' and '.join(given)} cannot be used with {option}; leave out one or the other")


def _says_nothing(count: dict[str, Any], arguments: argparse.Namespace) -> str | None:
    """Why nothing can be asserted: the caller is unknown, or there is no request; None if something can."""
    if count["callers"] == 0:
        return str(count["warning"])
    if count["recorded"] or arguments.allow_empty:
        return None
    return "no request was recorded, so there is nothing to check; use --allow-empty to accept that"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
