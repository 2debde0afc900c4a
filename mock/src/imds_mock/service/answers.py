"""The answers whose bytes do not depend on the instance: refusals, pages, token and listing heads.

Captured: errors carry `Content-Length` before and `Content-Type` after the connection's lines; 401, 403 and 405 have no
body; the 404 page is 339 bytes of XHTML. Answers to GET name their type first.
"""

from __future__ import annotations

import time
from functools import cache
from math import floor
from typing import Final

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
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

RESET: Final = Response(Head.build(403), delivery=Delivery.RESET)


@cache
def refusal(status: int, *, allow: str = "") -> Response:
    """Build an answer without a body.

    Args:
        status: HTTP status code.
        allow: Value of the `Allow` header, which a 405 and the answer to OPTIONS have.
    """
    leading: HeaderLines = (("Content-Length", "0"),)
    if allow:
        leading = (("Allow", allow), *leading)
    return Response(Head.build(status, leading, (("Content-Type", "text/plain"),)))


@cache
def page(status: int, content_type: str) -> Response:
    """Build an answer with the service's XHTML page.

    Args:
        status: 400 or 404.
        content_type: Its `Content-Type`.
    """
    body = _PAGE.format(title=_TITLES[status]).encode("ascii")
    leading = (("Content-Length", str(len(body))),)
    return Response(Head.build(status, leading, (("Content-Type", content_type),)), body)


@cache
def probed(probe_id: str) -> Response:
    """Build the answer to a probe: who this mock is, and nothing that counts as metadata.

    Args:
        probe_id: The id that this mock made when it started.
    """
    return Response(Head.build(204, (("X-Imds-Mock-Id", probe_id),)), counted=False)


def content(body: bytes, content_type: str, modified: float) -> Response:
    """Build the answer to a GET that found something.

    Args:
        body: The leaf's bytes or the listing.
        content_type: Its `Content-Type`.
        modified: Seconds since the epoch for `Last-Modified`.
    """
    leading = (
        ("Content-Type", content_type),
        ("Accept-Ranges", "none"),
        ("Last-Modified", http_date(modified)),
        ("Content-Length", str(len(body))),
    )
    return Response(Head.build(200, leading), body)


def http_date(moment: float) -> str:
    """Write a time as HTTP does (RFC 9110 5.6.7), whatever the locale.

    Args:
        moment: Seconds since the epoch.
    """
    year, month, day, hour, minute, second, weekday, *_ = time.gmtime(floor(moment))
    return f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
