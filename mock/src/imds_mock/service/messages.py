"""One request and one response as values, without sockets.

Header lines have the order of the real service: some before `Date`, some after `Connection` (captured from current
instances: responses to GET end with `Connection`, error and token responses with `Content-Type`). `Date`, `Server` and
`Connection` depend on the time and the connection, so they are added when the response is written.
"""

from __future__ import annotations

import enum
import re
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from math import floor
from typing import Final

import msgspec

TOKEN_HEADER: Final = "x-aws-ec2-metadata-token"  # noqa: S105 - the name of a header, not a secret
TOKEN_TTL_HEADER: Final = "x-aws-ec2-metadata-token-ttl-seconds"  # noqa: S105 - the name of a header, not a secret
USER_AGENT_HEADER: Final = "user-agent"
PROBE_HEADER: Final = "x-imds-mock-probe"
ANNOUNCEMENT_HEADER: Final = "x-imds-mock-announcement"
ECS: Final = "ecs"
EKS: Final = "eks"

READ_HEADERS: Final[dict[bytes, str]] = {
    name.encode(): name
    for name in (
        *("authorization", "connection", "content-length", "expect", "host", "x-forwarded-for"),
        *(PROBE_HEADER, ANNOUNCEMENT_HEADER, TOKEN_HEADER, TOKEN_TTL_HEADER, USER_AGENT_HEADER),
    )
}
"""The request headers that are read; others are counted and dropped."""

HeaderLines = tuple[tuple[str, str], ...]

# The container agents share the metadata service's listener; the address in `Host` selects one.
_AGENTS: Final = {"169.254.170.2": ECS, "169.254.170.23": EKS, "fd00:ec2::23": EKS}
# The agents' paths; those of the metadata service begin with a version instead.
_PATHS_OF_ECS: Final = re.compile(
    r"/(v2/(credentials|metadata|metadataWithTags|stats)|v3|v4|creds|role|role-arn)(/.*)?|/api/[^/]+/task-protection/.*"
)
_PATH_OF_EKS: Final = "/v1/credentials"
_CREDENTIALS: Final = "/iam/"
# The service's own wording where it differs from the registered one (captured: `405 Not Allowed`).
_REASONS: Final[dict[int, str]] = {405: "Not Allowed"}
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Request(msgspec.Struct, frozen=True, gc=False):
    """A parsed request head.

    Attributes:
        method: Upper-case method name.
        target: The path as the client wrote it, without a query.
        path: Decoded path with single slashes and none at the end; `/` for the root.
        trailing_slash: The path was written with a slash at its end.
        headers: Lower-case names of `READ_HEADERS`; repeated fields are joined with a comma.
        keep_alive: The connection stays open (HTTP/1.1 with `Connection: keep-alive`; for a container agent, without
            `Connection: close`).
        agent: The container agent that it is for, `ecs` or `eks`; empty for the instance metadata service.
        body: Its body, if `takes_body` is true for it.
        wants_credentials: The response may need credentials that are still being fetched.
    """

    method: str
    target: str
    path: str
    trailing_slash: bool = False
    headers: Mapping[str, str] = {}
    keep_alive: bool = False
    agent: str = ""
    body: bytes = b""
    wants_credentials: bool = False


class Delivery(enum.Enum):
    """What happens to a response on its way to the client."""

    SEND = "send"
    STALL = "stall"  # nothing is sent, and the connection stays open
    RESET = "reset"  # the connection is reset instead
    ABANDONED = "abandoned"  # the client gave up while its response was delayed


class Head(msgspec.Struct, frozen=True):
    """Status and header lines of a response, rendered once and shared by all equal responses.

    Attributes:
        status: HTTP status code.
        leading: Header lines before `Date`.
        trailing: Header lines after `Connection`.
        status_line: The rendered status line, with its line end.
        leading_bytes: The rendered leading lines, each with its line end.
        trailing_bytes: The rendered trailing lines and the empty line that ends the head.
        names_server: `Server: EC2ws` is among the lines.
    """

    status: int
    leading: HeaderLines
    trailing: HeaderLines
    status_line: bytes
    leading_bytes: bytes
    trailing_bytes: bytes
    names_server: bool = True

    @classmethod
    def build(
        cls, status: int, leading: HeaderLines = (), trailing: HeaderLines = (), *, names_server: bool = True
    ) -> Head:
        """Render a head.

        Args:
            status: HTTP status code.
            leading: Header lines before `Date`.
            trailing: Header lines after `Connection`.
            names_server: `Server: EC2ws` is among the lines.
        """
        reason = (_REASONS.get(status) if names_server else None) or _phrase(status)
        return cls(
            status,
            leading,
            trailing,
            f"HTTP/1.1 {status} {reason}\r\n".encode("ascii"),
            _render(leading),
            _render(trailing) + b"\r\n",
            names_server,
        )


class Response(msgspec.Struct, frozen=True):
    """A response.

    Attributes:
        head: Status and header lines, without `Date`, `Server`, `Connection` and the token's remaining life.
        body: The body (not sent in response to HEAD).
        token_ttl_seconds: The session token's remaining life, for the first header line; None omits the line.
        hop_limit: IP TTL or IPv6 hop limit of the packets that carry this response; None for the system's own.
        delivery: What happens to the response.
        counted: The request counts as a metadata call (a probe does not).
        delay_seconds: How long the response is delayed.
        cut_after: How many bytes of the body are sent before the connection closes; None sends all.
        faults: Ids of the faults that changed the response.
        start, end: The span of time in which an equal request of the same caller gets an equal response, without its
            end, in seconds since the epoch; empty if that is not known.
        renew: Returns the body for an equal request at a time in that span; None if it is `body` again.
    """

    head: Head
    body: bytes = b""
    token_ttl_seconds: int | None = None
    hop_limit: int | None = None
    delivery: Delivery = Delivery.SEND
    counted: bool = True
    delay_seconds: float = 0.0
    cut_after: int | None = None
    faults: tuple[str, ...] = ()
    start: float = 0.0
    end: float = 0.0
    renew: Callable[[float], bytes] | None = None

    @property
    def status(self) -> int:
        """The HTTP status code."""
        return self.head.status

    @classmethod
    def content(cls, body: bytes, content_type: str, modified: float) -> Response:
        """The response to a GET of an existing path.

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
        return cls(Head.build(200, leading), body)


def http_date(moment: float) -> str:
    """Format a time, in seconds since the epoch, for HTTP (RFC 9110 5.6.7), independent of the locale."""
    year, month, day, hour, minute, second, weekday, *_ = time.gmtime(floor(moment))
    return f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04} {hour:02}:{minute:02}:{second:02} GMT"


def agent_of(host: str) -> str:
    """The container agent that a `Host` header selects, with or without a port; empty for any other host."""
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    return _AGENTS.get(host.lower(), "")


def agent_at(path: str) -> str:
    """The container agent that has a (normalised) path; empty for the paths of the metadata service."""
    if path.startswith("/latest/"):
        return ""  # nearly all paths, and faster than the regular expression
    if path == _PATH_OF_EKS:
        return EKS
    return ECS if _PATHS_OF_ECS.fullmatch(path) else ""


def takes_body(method: str, path: str, agent: str) -> bool:
    """Whether the response to a request depends on its body."""
    return method == "PUT" and agent == ECS and path.startswith("/api/")


def wants_credentials(path: str, agent: str) -> bool:
    """Whether the response to a request may need a role's credentials."""
    return agent != "" or _CREDENTIALS in path


def _phrase(status: int) -> str:
    # Clients must handle unregistered codes (RFC 9110 15), so the mock can send them.
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unregistered"


def _render(lines: HeaderLines) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in lines).encode("latin-1")
