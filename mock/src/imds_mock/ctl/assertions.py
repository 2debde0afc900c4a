"""`ctl assert` and `ctl wait`: whether a condition on the recorded requests holds, at once or within a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from imds_mock.arguments import duration
from imds_mock.ctl.client import ArgumentError
from imds_mock.ctl.journal import refuse_with
from imds_mock.ctl.output import print_json, print_line, print_warning
from imds_mock.ctl.request_columns import caller_name
from imds_mock.events.kinds import NOTICES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from imds_mock.ctl.client import Client

EX_ASSERTION: Final = 1

SEEN: Final = {f"{notice.partition('-')[0]}-seen": notice for notice in dict.fromkeys(NOTICES.values())}
"""The conditions of `ctl wait`, and the notice that a caller must have seen."""

_POLL_SECONDS: Final = 0.25
_WAIT_SECONDS: Final = 60.0


class _Result(NamedTuple):
    holds: bool
    sentence: str
    found: Any
    warning: str | None


def add_commands(commands: argparse._SubParsersAction[Any], common: Sequence[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    claim = commands.add_parser(
        "assert", parents=list(common), help="check the journal: exit code 0 if the condition holds, 1 if not"
    )
    what = claim.add_mutually_exclusive_group(required=True)
    what.add_argument("--no-imdsv1", action="store_true", help="no request came without a session token")
    what.add_argument("--asked", metavar="PATTERN", help="a matching path was requested")
    notices = tuple(dict.fromkeys(NOTICES.values()))
    what.add_argument(
        "--saw", choices=notices, metavar="NOTICE", help=f"a caller has seen the notice: {' or '.join(notices)}"
    )
    _add_scope(claim)
    claim.add_argument("--at-least", type=int, metavar="N", help="with --asked: lowest number of requests (default: 1)")
    claim.add_argument("--at-most", type=int, metavar="N", help="with --asked: highest number of requests")
    claim.add_argument("--allow-empty", action="store_true", help="succeed even if no request was recorded")
    claim.add_argument(
        "--within", type=duration, metavar="DURATION", help="wait up to this time until the condition holds"
    )
    claim.set_defaults(action_of=_assert)

    wait = commands.add_parser(
        "wait", parents=list(common), help="wait until a caller has seen a notice: exit code 0, or 1 after the timeout"
    )
    wait.add_argument("condition", choices=tuple(SEEN), help="the notice that a caller must have seen")
    _add_scope(wait)
    wait.add_argument("--timeout", type=duration, metavar="DURATION", help="longest time (default: 1m)")
    wait.set_defaults(action_of=_wait, no_imdsv1=False, asked=None, at_least=None, at_most=None, allow_empty=False)


def _add_scope(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--caller", "--by", metavar="WHO", help="address, container or service name")
    parser.add_argument("--since", metavar="WHEN", help="earliest time, or how long ago")


def _assert(client: Client, arguments: argparse.Namespace) -> int:
    _check_options(arguments)
    return _report(_await(client, arguments, arguments.within or 0.0), arguments, "imds-mock ctl assert")


def _wait(client: Client, arguments: argparse.Namespace) -> int:
    arguments.saw = SEEN[arguments.condition]
    seconds = _WAIT_SECONDS if arguments.timeout is None else arguments.timeout
    return _report(_await(client, arguments, seconds), arguments, "imds-mock ctl wait")


def _check_options(arguments: argparse.Namespace) -> None:
    if arguments.asked is None:
        refuse_with("--no-imdsv1" if arguments.no_imdsv1 else "--saw", arguments, "at_least", "at_most")
    if arguments.no_imdsv1:
        # Waiting cannot help: a request without a token stays recorded.
        refuse_with("--no-imdsv1", arguments, "within")
    least, most = arguments.at_least, arguments.at_most
    if least is not None and most is not None and least > most:
        raise ArgumentError(f"--at-least {least} and --at-most {most} exclude each other; no number fits both")


def _await(client: Client, arguments: argparse.Namespace, seconds: float) -> _Result:
    """Check until the condition holds or the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        result = _check(client, arguments)
        left = deadline - time.monotonic()
        if result.holds or left <= 0:
            return result
        time.sleep(min(_POLL_SECONDS, left))


def _check(client: Client, arguments: argparse.Namespace) -> _Result:
    scope = {"since": arguments.since, "caller": arguments.caller}
    bounds = {"at_least": arguments.at_least, "at_most": arguments.at_most}
    allowed = {"allow_empty": "true"} if arguments.allow_empty else {}
    count = client.call("GET", "/v1/requests/count", query={"path": arguments.asked, **scope, **bounds, **allowed})
    if arguments.asked is not None:
        holds, found = count["holds"], count
        sentence = f"{arguments.asked} was requested {_times(count['count'])}"
        if not count["complete"]:
            sentence += ", according to an incomplete journal"
    elif arguments.no_imdsv1:
        found = client.call("GET", "/v1/requests/imdsv1", query=scope)
        holds = not found
        callers = ", ".join(f"{caller_name(each)} {_times(each['times'])}, last at {each['last']}" for each in found)
        sentence = f"IMDSv1 was used by {callers}" if found else "no caller has used IMDSv1"
    else:
        told = client.call("GET", "/v1/requests/notices", query=scope)
        found = [each for each in told if each["subject"] == arguments.saw]
        holds = bool(found)
        callers = ", ".join(f"{caller_name(each)} at {each['first']}" for each in found)
        sentence = f"{arguments.saw} was first seen by {callers}" if found else f"no caller has seen {arguments.saw}"
    says_nothing = _says_nothing(count, arguments)
    if says_nothing is not None:
        return _Result(False, says_nothing, found, None)
    if count["recorded_from_caller"] == 0:
        sentence += f"; no request was recorded from {arguments.caller}"
    return _Result(holds, sentence, found, count["warning"])


def _report(result: _Result, arguments: argparse.Namespace, command: str) -> int:
    print_warning(result.warning)
    if arguments.json:
        print_json({"holds": result.holds, "found": result.found})
    if not result.holds:
        print_warning(result.sentence, command)
    elif not arguments.json:
        print_line(result.sentence)
    return 0 if result.holds else EX_ASSERTION


def _says_nothing(count: dict[str, Any], arguments: argparse.Namespace) -> str | None:
    """Why nothing can be asserted: the caller is unknown, or there is no request; None if something can."""
    if count["callers"] == 0:
        return str(count["warning"])
    if count["recorded"] or arguments.allow_empty:
        return None
    return "no request was recorded, so there is nothing to check; use --allow-empty to accept that"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
