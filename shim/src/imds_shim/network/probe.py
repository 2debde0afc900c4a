"""Probes a server over HTTP: is it this mock, another IMDS or another server?

imds-mock answers `GET /` with the header `X-Imds-Mock-Probe` with 204 and `X-Imds-Mock-Id`, an id generated at its
start, so that the shim can check that two addresses reach the same mock. It refuses an announcement with 400, the same
id and `X-Imds-Mock-Refusal`. A status alone does not identify an IMDS,
because a web server may answer 200 or 401 to every path. Any other server is an IMDS if one of these holds:

* It answers a token PUT with 200 and the TTL header.
* Its listing of `/latest/meta-data/` has a line `instance-id` or `ami-id`.
* It answers that path with 401 without a body and without `WWW-Authenticate`, as the real service does.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import httpx

from imds_shim.announcement import HEADER as _ANNOUNCEMENT_HEADER
from imds_shim.endpoints import CONTROL_PORT, format_address
from imds_shim.network.probe_result import NoAnswerError, ProbeResult
from imds_shim.network.transport import HeadTransport

if TYPE_CHECKING:
    from imds_shim.announcement import Announcement
    from imds_shim.deadline import Deadline
    from imds_shim.endpoints import IPAddress

_OK, _NO_CONTENT, _UNAUTHORIZED, _UNAVAILABLE = 200, 204, 401, 503
_PROBE_HEADER = "X-Imds-Mock-Probe"
_ID_HEADER = "X-Imds-Mock-Id"
_CALLER_HEADER = "X-Imds-Mock-Caller"
_REFUSAL_HEADER = "X-Imds-Mock-Refusal"
_TOKEN_TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"  # noqa: S105 - the name of a header
_HEADERS = {"User-Agent": "imds-shim", "Connection": "close"}
_SHORTEST_TOKEN_SECONDS = "1"  # noqa: S105 - a lifetime
_IMDS_LISTING_LINES = {b"instance-id", b"ami-id"}
_LONGEST_LISTING_BYTES = 65_536
_LONGEST_QUOTE = 100


def probe(address: IPAddress, port: int, deadline: Deadline, announcement: Announcement | None = None) -> ProbeResult:
    """Probe the server at an address.

    Args:
        address: the server's address.
        port: its port.
        deadline: by which it must answer.
        announcement: is sent with the probe.

    Raises:
        NoAnswerError: there was no HTTP response before the deadline, or the mock wants the announcement later.
    """
    server = f"http://{format_address(address, port)}"
    transport = HeadTransport(deadline)
    headers = {_PROBE_HEADER: os.urandom(8).hex()}
    if announcement is not None:
        headers[_ANNOUNCEMENT_HEADER] = announcement.header()
    response = _send(transport, "GET", f"{server}/", headers)
    refusal = response.headers.get(_REFUSAL_HEADER, "")
    mock_id = response.headers.get(_ID_HEADER)
    if mock_id and response.status_code == _UNAVAILABLE:
        raise NoAnswerError("gets too many announcements from this address")
    if mock_id and (response.status_code == _NO_CONTENT or refusal):
        accepts = not refusal and _ANNOUNCEMENT_HEADER in response.headers
        caller = response.headers.get(_CALLER_HEADER, "")
        seen_as = "" if caller == transport.local_address else _shorten(caller)
        refusal = _unquoted(refusal) if refusal else ""
        return ProbeResult("mock", mock_id, f"imds-mock {mock_id}", accepts, refusal, seen_as)
    token = _send(transport, "PUT", f"{server}/latest/api/token", {_TOKEN_TTL_HEADER: _SHORTEST_TOKEN_SECONDS})
    if token.status_code == _OK and token.headers.get(_TOKEN_TTL_HEADER, "").isdecimal():
        return ProbeResult("imds", None, _status_line(token))
    return _classify(_send(transport, "GET", f"{server}/latest/meta-data/", {}, _LONGEST_LISTING_BYTES), port)


def _classify(root: httpx.Response, port: int) -> ProbeResult:
    """Classify a server by its response to GET /latest/meta-data/."""
    body: bytes = root.extensions["body"]
    description = _status_line(root)
    if root.status_code == _OK:
        if _IMDS_LISTING_LINES.intersection(line.strip() for line in body.splitlines()):
            return ProbeResult("imds", None, description)
        kind = _shorten(root.headers.get("Content-Type", "no content type"))
        description += f" to GET /latest/meta-data/ ({kind}), which lists neither instance-id nor ami-id"
    elif root.status_code == _UNAUTHORIZED:
        if not body and "WWW-Authenticate" not in root.headers:
            return ProbeResult("imds", None, description)
        description += " with " + ("a body" if body else "WWW-Authenticate") + ", which an IMDS does not send"
    is_problem = root.headers.get("Content-Type", "").startswith("application/problem+json")
    if is_problem and (port == CONTROL_PORT or b"control plane" in body):
        return ProbeResult("control", None, description)
    return ProbeResult("other", None, description)


def _send(
    transport: HeadTransport, method: str, url: str, headers: dict[str, str], body_bytes: int = 0
) -> httpx.Response:
    """Send one request through the transport, without an httpx client's proxies, cookies and redirects."""
    request = httpx.Request(method, url, headers=_HEADERS | headers, extensions={"body_bytes": body_bytes})
    try:
        return transport.handle_request(request)
    except httpx.ConnectTimeout as error:
        raise NoAnswerError("does not answer the connection attempt") from error
    except httpx.ConnectError as error:
        raise NoAnswerError(_connect_failure(error)) from error
    except httpx.ReadTimeout as error:
        if transport.response_started:
            raise NoAnswerError("starts a response but does not complete it in time") from error
        raise NoAnswerError("accepts the connection but does not answer") from error
    except httpx.ReadError as error:
        raise NoAnswerError("closes the connection without a response") from error
    except httpx.HTTPError as error:
        raise NoAnswerError(f"answers, but not with HTTP ({error})") from error


def _connect_failure(error: httpx.ConnectError) -> str:
    cause = error.__cause__
    if isinstance(cause, ConnectionRefusedError):
        return "refuses the connection"
    if isinstance(cause, OSError) and cause.errno == errno.EINVAL:
        return "cannot be reached (a blackhole route drops packets to it)"
    words = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(error)
    return f"cannot be reached ({words})"


def _unquoted(refusal: str) -> str:
    """Decode `%` escapes on one line; the tree has no urllib."""
    first, *rest = refusal.encode("latin-1", "replace").split(b"%")
    try:
        decoded = first + b"".join(bytes.fromhex(part[:2].decode()) + part[2:] for part in rest)
    except ValueError:
        return refusal
    return " ".join(decoded.decode("utf-8", "replace").split())


def _status_line(response: httpx.Response) -> str:
    description = f"{response.status_code} {_shorten(response.reason_phrase)}".strip()
    server = response.headers.get("Server")
    return f"{description} (Server: {_shorten(server)})" if server else description


def _shorten(text: str) -> str:
    """Truncate text from a server, so that it does not fill the message."""
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."
