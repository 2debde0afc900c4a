"""One request and one response as values, without sockets: what `service` decides about and `server` carries.

Header lines stand in the order that the real service sends them in: a few before `Date`, a few after `Connection`
(captured from current instances: GET answers end with `Connection`, error and token answers with `Content-Type`).
`Date`, `Server` and `Connection` belong to the moment and the connection, so they are added while writing.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec

TOKEN_HEADER: Final = "x-aws-ec2-metadata-token"  # noqa: S105 - the name of a header, not a secret
TOKEN_TTL_HEADER: Final = "x-aws-ec2-metadata-token-ttl-seconds"  # noqa: S105 - the name of a header, not a secret
PROBE_HEADER: Final = "x-imds-mock-probe"
ECS: Final = "ecs"
EKS: Final = "eks"

HeaderLines = tuple[tuple[str, str], ...]

# The agents of containers share the metadata service's listener; clients tell them apart by address, we by `Host`.
_AGENTS: Final = {"169.254.170.2": ECS, "169.254.170.23": EKS, "fd00:ec2::23": EKS}
# Where the agents' paths are none of the metadata service's, which begin with a version.
_PATHS_OF_ECS: Final = re.compile(
    r"/(v2/(credentials|metadata|metadataWithTags|stats)|v3|v4|creds|role|role-arn)(/.*)?|/api/[^/]+/task-protection/.*"
)
_PATH_OF_EKS: Final = "/v1/credentials"
_CREDENTIALS: Final = "/iam/"
# The service's own wording where it differs from the registered one (captured: `405 Not Allowed`).
_REASONS: Final[dict[int, str]] = {405: "Not Allowed"}


class Request(msgspec.Struct, frozen=True):
    """A parsed request head.

    Attributes:
        method: Upper-case method name.
        target: The path as it was written, without a query.
        path: Decoded path with single slashes and none at the end; `/` for the root.
        trailing_slash: Whether the path was written with a slash at its end.
        headers: Lower-case names; repeated fields are joined with a comma.
        keep_alive: The client asked for the connection to stay open (HTTP/1.1 with `Connection: keep-alive`; for an
            agent of containers, without `Connection: close`).
        agent: The agent of containers that it is for, `ecs` or `eks`; empty for the instance metadata service.
        body: Its body, where `takes_body` says that there may be one.
        wants_credentials: Its response may need credentials that are still being fetched, see `wants_credentials`.
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
    """What becomes of an answer on its way to the client."""

    SEND = "send"
    STALL = "stall"  # nothing is sent, the connection stays open
    RESET = "reset"  # the connection is reset instead
    ABANDONED = "abandoned"  # the client has gone while its answer was held back


class Head(msgspec.Struct, frozen=True):
    """Status and header lines of an answer, rendered once and shared by all answers that are alike.

    Attributes:
        status: HTTP status code.
        leading: Header lines before `Date`.
        trailing: Header lines after `Connection`.
        status_line: The rendered status line, with its line end.
        leading_bytes: The rendered leading lines, each with its line end.
        trailing_bytes: The rendered trailing lines and the empty line that ends the head.
        names_server: Whether `Server: EC2ws` is among its lines.
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
            names_server: Whether `Server: EC2ws` is among its lines.
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
    """An answer.

    Attributes:
        head: Status and header lines, without `Date`, `Server`, `Connection` and the token's remaining life.
        body: The body's bytes (not sent in answer to HEAD).
        token_ttl_seconds: What the first header line says about the session token; None leaves the line out.
        hop_limit: IP TTL (IPv6 hop limit) of the packets that carry this answer; None is the system's own.
        delivery: What becomes of the answer.
        counted: Whether the request counts as a metadata call (a probe does not).
        delay_seconds: How long the answer is held back.
        cut_after: How many bytes of the body are sent before the connection ends; None sends it whole.
        faults: The faults that made the answer what it is, by id.
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

    @property
    def status(self) -> int:
        """The HTTP status code."""
        return self.head.status


def agent_of(host: str) -> str:
    """The agent of containers that a `Host` header names, with or without a port; empty for anything else.

    Args:
        host: The header's value.
    """
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    return _AGENTS.get(host.lower(), "")


def agent_at(path: str) -> str:
    """The agent of containers that has a path; empty for the paths of the metadata service.

    Args:
        path: Decoded path with single slashes and none at the end.
    """
    if path.startswith("/latest/"):
        return ""  # nearly every path, and quicker than the expression
    if path == _PATH_OF_EKS:
        return EKS
    return ECS if _PATHS_OF_ECS.fullmatch(path) else ""


def takes_body(method: str, path: str, agent: str) -> bool:
    """Whether a request is decided about only when its body is there.

    Args:
        method: Its method.
        path: Its path.
        agent: The agent of containers that it is for.
    """
    return method == "PUT" and agent == ECS and path.startswith("/api/")


def wants_credentials(path: str, agent: str) -> bool:
    """Whether the response to a request may need the credentials of a role.

    Args:
        path: Its path.
        agent: The agent of containers that it is for.
    """
    return agent != "" or _CREDENTIALS in path


def _phrase(status: int) -> str:
    # A client has to cope with codes that are not registered (RFC 9110 15), so they can be tried on it.
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unregistered"


def _render(lines: HeaderLines) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in lines).encode("latin-1")
