"""A request with its response, as the access log and the journal record it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imds_mock.service.messages import Request, Response

Kind = tuple[str, str, int, str, int, tuple[str, ...], str]
"""What many entries of the journal have in common: caller, method, version, token, status, faults and user agent."""

UNKNOWN: Final = ("", "", 0, "", 0, (), ""), "", ""
"""The kind and paths of an exchange that the journal has not seen."""


class Exchange:
    """A request and the response to it.

    One object stands for all equal requests that get the same response again, so observers keep in it what they make of
    both.

    Args:
        caller: The caller's IP address.
        request: The request; None if the bytes could not be parsed.
        response: The response.

    Attributes:
        caller, request, response: The arguments.
        method: The request's method; empty without a request.
        closes: The connection closes after the response.
        entry: Kind, path and path as written in the journal; `UNKNOWN` until the journal has set it.
        line: The access log's text before and after the duration; None until the access log has set it.
        data: The bytes that were sent, without the body if `response.renew` makes it; empty if they are not kept.
        start, end: The span of time in which they may be sent again, without its end, in seconds since the epoch.
        mark: The mark of the snapshot from which they were made.
        revision: The revision of all views in which the caller was last known to see that snapshot.
    """

    __slots__ = (
        *("caller", "closes", "data", "end", "entry", "line", "mark", "method", "request", "response", "revision"),
        "start",
    )

    def __init__(self, caller: str, request: Request | None, response: Response) -> None:
        self.caller = caller
        self.request = request
        self.method = "" if request is None else request.method
        self.closes = request is None or not request.keep_alive
        self.response = response
        self.entry: tuple[Kind, str, str] = UNKNOWN
        self.line: tuple[str, str] | None = None
        self.data = b""
        self.start = self.end = 0.0
        self.mark: object = None
        self.revision: object = None
