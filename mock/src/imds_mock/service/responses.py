"""The responses that do not depend on the instance: refusals, error pages and the response to a probe.

Captured: errors have `Content-Length` before and `Content-Type` after the connection headers; 401, 403 and 405 have no
body; the 404 page is 339 bytes of XHTML.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple
from urllib.parse import quote

from imds_mock.service.messages import Delivery, Head, HeaderLines, Response

_PAGE: Final = (
    '<?xml version="1.0" encoding="iso-8859-1"?>\n'
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"\n'
    '\t\t "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n'
    '<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">\n'
    " <head>\n"
    "  <title>{title}</title>\n"
    " </head>\n"
    " <body>\n"
    "  <h1>{title}</h1>\n"
    " </body>\n"
    "</html>\n"
)
_TITLES: Final = {400: "400 - Bad Request", 404: "404 - Not Found"}

_LONGEST_REFUSAL: Final = 4096
_IN_HEADERS: Final = " !\"#$&'()*+,/:;<=>?@[\\]^`{|}"

RESET: Final = Response(Head.build(403), delivery=Delivery.RESET)


@cache
def refusal(status: int, *, allow: str = "") -> Response:
    """A response without a body.

    Args:
        status: HTTP status code.
        allow: Value of the `Allow` header, for a 405 and for the response to OPTIONS.
    """
    leading: HeaderLines = (("Content-Length", "0"),)
    if allow:
        leading = (("Allow", allow), *leading)
    return Response(Head.build(status, leading, (("Content-Type", "text/plain"),)))


@cache
def page(status: int, content_type: str) -> Response:
    """A response with the service's XHTML page.

    Args:
        status: 400 or 404.
        content_type: Its `Content-Type`.
    """
    body = _PAGE.format(title=_TITLES[status]).encode("ascii")
    leading = (("Content-Length", str(len(body))),)
    return Response(Head.build(status, leading, (("Content-Type", content_type),)), body)


@cache
def probed(probe_id: str) -> Response:
    """The response to a probe, which identifies this mock and does not count as a metadata call.

    Args:
        probe_id: The id that the mock generated when it started.
    """
    return Response(Head.build(204, (("X-Imds-Mock-Id", probe_id),)), counted=False)


class AnnouncementOutcome(NamedTuple):
    """What becomes of an announcement.

    Attributes:
        refusal: The sentence why it is refused; None if it is accepted.
        is_too_early: Its address announces too often; it may announce again in a second.
    """

    refusal: str | None = None
    is_too_early: bool = False


def announced(probe_id: str, outcome: AnnouncementOutcome, caller: str) -> Response:
    """The response to a probe that announces who its container is.

    Args:
        probe_id: The id that the mock generated when it started.
        outcome: What becomes of the announcement.
        caller: The address that it came from, which tells the shim of an address translation on the way.
    """
    identified, refusal = ("X-Imds-Mock-Id", probe_id), outcome.refusal
    if outcome.is_too_early:
        leading: HeaderLines = (identified, ("Retry-After", "1"), ("Content-Length", "0"))
        return Response(Head.build(503, leading), counted=False)
    if refusal is None:
        accepted: HeaderLines = (("X-Imds-Mock-Announcement", "accepted"), ("X-Imds-Mock-Caller", caller))
        return Response(Head.build(204, (identified, *accepted)), counted=False)
    body = f"{refusal}\n".encode(errors="replace")
    # In a header line, a sentence must not have line ends or characters beyond ASCII.
    quoted = quote(refusal[:_LONGEST_REFUSAL], safe=_IN_HEADERS, errors="replace")
    leading = (identified, ("X-Imds-Mock-Refusal", quoted), ("Content-Length", str(len(body))))
    return Response(Head.build(400, leading, (("Content-Type", "text/plain; charset=utf-8"),)), body, counted=False)
