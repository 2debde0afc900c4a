"""`ctl requests --follow`: new requests as they arrive, in the columns of `ctl requests`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from imds_mock.ctl.output import cell, json_text
from imds_mock.ctl.request_columns import COLUMNS, NAMES, named
from imds_mock.ctl.tables import plain_heading, plain_line, print_fitted
from imds_mock.ctl.terminal import look_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from imds_mock.ctl.client import Client
    from imds_mock.ctl.fitting import Fitted

    Write = Callable[[dict[str, Any]], None]

_WIDTHS: Final = (24, 24, 6, 56, 6, 7, 9, 12, 0)

# The widths of the columns on a terminal are those of a usual request, because the requests to come are unknown.
_TYPICAL: Final = {
    "time": "12:00:00",
    "caller": "172.18.0.3 (shop-worker-1)",
    "method": "GET",
    "written": "/latest/meta-data/iam/security-credentials/my-role",
    "status": 200,
    "version": "v1",
    "token": "unchecked",
    "microseconds": 10000,
    "faults": "status-1",
}


def follow(client: Client, arguments: argparse.Namespace, query: dict[str, Any]) -> int:
    """Print new requests until the control plane closes the stream or the user interrupts it.

    Args:
        client: The control plane's client.
        arguments: The parsed command line, with `json`, `color`, `wide` and `utc`.
        query: The filters.

    Returns:
        The exit code.
    """
    write = _write_json if arguments.json else _writer(arguments)
    try:
        for entry in client.stream("/v1/requests/stream", query):
            write(entry)
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 0
    return 0


def _write_json(entry: dict[str, Any]) -> None:
    sys.stdout.write(f"{json_text(entry)}\n")


def _writer(arguments: argparse.Namespace) -> Write:
    look = look_of(arguments)
    if look.is_plain:
        sys.stdout.write(f"{plain_line(plain_heading(NAMES), _WIDTHS)}\n")
        sys.stdout.flush()
        return _write_plain
    from imds_mock.ctl.fitting import fit  # noqa: PLC0415 - imports rich, which only a terminal needs

    typical = {**_TYPICAL, "time": "2026-01-31T12:00:00.000Z"} if arguments.utc or not look.is_terminal else _TYPICAL
    fitted: list[Fitted] = []

    def head() -> Fitted:
        """The columns for the present width, with a new heading if the width has changed."""
        latest = fit(COLUMNS, [typical], look_of(arguments).width)
        if [latest] != fitted:
            fitted[:] = [latest]
            print_fitted(look_of(arguments), latest, [])
            sys.stdout.flush()
        return latest

    def write(entry: dict[str, Any]) -> None:
        time = str(entry["time"])
        shown = time if arguments.utc or not look.is_terminal else time.partition("T")[2].partition(".")[0]
        print_fitted(look_of(arguments), head(), [{**named(entry), "time": shown}], has_heading=False)

    head()
    return write


def _write_plain(entry: dict[str, Any]) -> None:
    shown = {**named(entry), "time": _both(entry)}
    sys.stdout.write(f"{plain_line([cell(shown.get(name)) for name in NAMES], _WIDTHS)}\n")


def _both(entry: dict[str, Any]) -> str:
    from imds_mock.ctl.times import both_times  # noqa: PLC0415

    return both_times(entry, "time", None)
